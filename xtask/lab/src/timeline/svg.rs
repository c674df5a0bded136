//! The picture, in a page.

use std::iter::zip;
use std::mem;
use std::time::Duration;

use super::picture::{BarStyle, Mark, Picture, Row, seconds};

/// Lengths are in pixels, at the picture's own size.
const WIDTH: f64 = 880.0;
const LEFT: f64 = 108.0;
const RIGHT: f64 = 36.0;
const MARGIN: f64 = 20.0;

/// The approximate width of a character.
const CHARACTER: f64 = 7.4;

/// Draws the picture, as the text of an SVG file.
pub fn draw(picture: &Picture) -> String {
    let top = if picture.stop.is_some() { 92.0 } else { 76.0 };
    let mut page = Page {
        body: String::new(),
        y: top,
        span: picture.span,
    };
    let pitch = if picture.rows.len() > 10 { 22.0 } else { 32.0 };
    for (nth, row) in (1..).zip(&picture.rows) {
        page.row(&format!("worker {nth}"), row, pitch);
    }
    if !picture.queue.is_empty() {
        page.queue(picture);
    }
    for (name, marks) in &picture.tracks {
        page.track(name, marks);
    }
    let chart = mem::take(&mut page.body);
    page.text(MARGIN, 32.0, "title", &picture.title);
    page.text(MARGIN, 54.0, "quiet", &picture.caption);
    page.axis(picture, top - 6.0); // behind the chart
    page.body += &chart;
    page.y += 52.0;
    for (bar, name, value) in &picture.stats {
        let (mut x, y) = (LEFT, page.y);
        if let Some(bar) = bar {
            let place = format!(r#"x="{x}" y="{}" width="12" height="12""#, y - 11.0);
            page.shape("rect", bar.name(), &format!(r#"{place} rx="3""#));
            x += 18.0;
        }
        page.text(x, y, "quiet", name);
        page.text(LEFT + 160.0, y, "", value);
        page.y += 20.0;
    }

    let (height, body) = (page.y, page.body);
    let (right, bottom) = (WIDTH - 1.0, height - 1.0);
    let (title, description) = (escape(&picture.title), escape(&describe(picture)));
    let style = include_str!("svg.css"); // legible on light and dark pages, in GitHub's colours
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title description">
<title id="title">{title}</title>
<desc id="description">{description}</desc>
<style>{style}</style>
<rect class="paper" x="0.5" y="0.5" width="{right}" height="{bottom}" rx="8"/>
{body}</svg>
"#
    )
}

/// The picture in words, for those who cannot see it.
fn describe(picture: &Picture) -> String {
    let mut words = format!("{}.", picture.caption);
    for (nth, row) in (1..).zip(&picture.rows) {
        let jobs = row.bars.iter().map(|bar| bar.number.to_string());
        let jobs = match row.bars.is_empty() {
            true => "none".into(),
            false => Vec::from_iter(jobs).join(", "),
        };
        words += &format!(" Worker {nth} does jobs {jobs}.");
    }
    if let Some((at, name)) = picture.stop {
        words += &format!(" The {name} is at {}.", seconds(at));
    }
    for (_, name, value) in &picture.stats {
        words += &format!(" {name}: {value}.");
    }
    words
}

/// What is drawn so far.
struct Page {
    body: String,
    /// Where the next row begins.
    y: f64,
    /// The time that the width stands for.
    span: Duration,
}

impl Page {
    fn x(&self, at: Duration) -> f64 {
        let share = at.div_duration_f64(self.span).min(1.0);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn text(&mut self, x: f64, y: f64, class: &str, words: &str) {
        let start = format!(r#"<text class="{class}" x="{x:.1}" y="{y:.1}">"#);
        self.body += &format!("{start}{}</text>\n", escape(words));
    }

    fn shape(&mut self, shape: &str, class: &str, attributes: &str) {
        self.body += &format!("<{shape} class=\"{class}\" {attributes}/>\n");
    }

    fn path(&mut self, class: &str, path: &str) {
        self.shape("path", class, &format!("d=\"{path}\""));
    }

    /// The axis and the stop.
    fn axis(&mut self, picture: &Picture, top: f64) {
        let bottom = self.y + 6.0;
        for at in picture.axis(self.span / 12) {
            let x = self.x(at);
            self.path("grid", &format!("M{x:.1} {top}V{bottom}"));
            self.text(x, bottom + 18.0, "quiet middle", &seconds(at));
        }
        if let Some((at, name)) = picture.stop {
            let x = self.x(at);
            self.path("stop", &format!("M{x:.1} {top}V{bottom}"));
            self.text(x, top - 6.0, "stop-name middle", name);
        }
    }

    fn row(&mut self, name: &str, row: &Row, pitch: f64) {
        let (middle, height) = (self.y + pitch / 2.0, pitch - 4.0);
        let (top, baseline) = (middle - height / 2.0, middle + 4.5);
        self.text(LEFT - 12.0, baseline, "right", name);
        let mut idle_from = row.alive.start;
        let next = row.bars.iter().skip(1).map(|next| next.time.start);
        for (bar, idle_to) in zip(&row.bars, next.chain([self.span])) {
            self.idle(idle_from, bar.time.start, middle);
            let (from, to) = (self.x(bar.time.start), self.x(bar.time.end));
            let (x, width) = (from + 0.75, (to - from - 1.5).max(1.0));
            let size = format!(r#"width="{width:.1}" height="{height}" rx="4""#);
            let style = bar.style.name();
            self.shape("rect", style, &format!(r#"x="{x:.1}" y="{top}" {size}"#));
            let label = match bar.style {
                BarStyle::Done | BarStyle::Late => bar.number.to_string(),
                _ => format!("{} {style}", bar.number),
            };
            let needed = label.len() as f64 * CHARACTER + 4.0;
            if needed <= width {
                self.text(x + width / 2.0, baseline, "in", &label);
            } else if to + needed <= self.x(idle_to) {
                self.text(to + 3.0, baseline, "", &label);
            } else if self.x(idle_from) + needed <= from {
                self.text(from - 3.0, baseline, "right", &label);
            }
            idle_from = bar.time.end;
        }
        self.idle(idle_from, row.alive.end, middle);
        self.y += pitch;
    }

    fn idle(&mut self, from: Duration, to: Duration, y: f64) {
        if from < to {
            let (from, to) = (self.x(from) + 3.0, self.x(to) - 3.0);
            self.path("idle", &format!("M{from:.1} {y}H{to:.1}"));
        }
    }

    fn queue(&mut self, picture: &Picture) {
        let (top, height) = (self.y + 10.0, 54.0);
        let (bottom, peak) = (top + height, picture.peak());
        self.text(MARGIN, top + height / 2.0 + 4.5, "", "queue");
        self.text(LEFT - 12.0, top + 9.0, "quiet right", &peak.to_string());
        self.text(LEFT - 12.0, bottom, "quiet right", "0");

        let mut path = format!("M{LEFT} {bottom}");
        for (&at, &length) in &picture.queue {
            let share = length as f64 / peak.max(1) as f64;
            path += &format!("H{:.1}V{:.1}", self.x(at), bottom - share * height);
        }
        path += &format!("H{:.1}V{bottom}", self.x(self.span));
        self.path("level", &path);
        self.y += 70.0;
    }

    fn track(&mut self, name: &str, marks: &[Mark]) {
        let middle = self.y + 18.0;
        self.text(LEFT - 12.0, middle + 4.5, "right", name);
        for (at, words) in marks {
            let (x, top) = (self.x(*at), middle - 6.0);
            let Some(words) = words else {
                let place = format!(r#"cx="{x:.1}" cy="{middle}" r="2""#);
                self.shape("circle", "chance", &place);
                continue;
            };
            self.path("mark", &format!("M{x:.1} {top}l6 11h-12z"));
            let (x, class) = match words.len() as f64 * CHARACTER + 10.0 {
                width if x + width <= WIDTH - MARGIN => (x + 10.0, ""),
                _ => (x - 10.0, "right"),
            };
            self.text(x, middle + 5.0, class, words);
        }
        self.y += 32.0;
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

//! The picture, in a page.

use std::fmt::Write as _;
use std::iter::zip;
use std::time::Duration;

use super::picture::{Bar, Figure, Look, Picture, Row, Track, seconds};

/// Lengths are in pixels, at the picture's own size.
const WIDTH: f64 = 880.0;
const LEFT: f64 = 108.0;
const RIGHT: f64 = 36.0;
const MARGIN: f64 = 20.0;

/// The approximate width of a character.
const CHARACTER: f64 = 7.4;

/// Legible on light and on dark pages, whose colours are those that GitHub uses.
const STYLE: &str = "
svg { color-scheme: light dark; font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; }
.paper { fill: #fff; stroke: #d1d9e0; }
text { fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; }
.quiet { fill: #59636e; }
.in { fill: #fff; font-weight: 600; text-anchor: middle; }
.right { text-anchor: end; }
.middle { text-anchor: middle; }
.grid { stroke: #d1d9e0; }
.idle { stroke: #818b98; stroke-dasharray: 1 4; stroke-linecap: round; }
.stop { stroke: #bc4c00; stroke-width: 1.5; stroke-dasharray: 5 3; }
.stop-name { fill: #bc4c00; font-weight: 600; }
.mark { fill: #1f2328; }
.chance { fill: #818b98; }
.level { fill: #ddf4ff; stroke: #0969da; stroke-width: 1.5; stroke-linejoin: round; }
.done { fill: #0969da; }
.late { fill: #bc4c00; }
.failed { fill: #cf222e; }
.panicked { fill: #8250df; }
@media (prefers-color-scheme: dark) {
.paper { fill: #0d1117; stroke: #3d444d; }
text, .mark { fill: #f0f6fc; }
.in { fill: #fff; }
.quiet { fill: #9198a1; }
.grid { stroke: #2f353d; }
.stop { stroke: #f0883e; }
.stop-name { fill: #f0883e; }
.level { fill: #121d2f; stroke: #4493f8; }
.done { fill: #1f6feb; }
.failed { fill: #da3633; }
.panicked { fill: #8957e5; }
}
";

/// The height of a track, and of the queue.
const TRACK: f64 = 32.0;
const QUEUE: f64 = 70.0;

/// Draws the picture, as the text of an SVG file.
pub fn draw(picture: &Picture) -> String {
    let mut page = Page {
        body: String::new(),
        y: if picture.stop.is_some() { 92.0 } else { 76.0 },
        span: picture.span,
    };
    page.text(MARGIN, 32.0, "title", &picture.title);
    page.text(MARGIN, 54.0, "quiet", &picture.caption);
    let has_queue = !picture.queue.is_empty();
    let pitch = if picture.rows.len() > 10 { 22.0 } else { 32.0 };
    let queue = if has_queue { QUEUE } else { 0.0 };
    let (rows, tracks) = (picture.rows.len() as f64, picture.tracks.len() as f64);
    page.axis(picture, pitch * rows + queue + TRACK * tracks);
    for (nth, row) in (1..).zip(&picture.rows) {
        page.row(nth, row, pitch);
    }
    if has_queue {
        page.queue(picture);
    }
    for track in &picture.tracks {
        page.track(track);
    }
    page.y += 52.0;
    for figure in &picture.figures {
        page.figure(figure);
    }

    let (height, body) = (page.y, page.body);
    let (title, description) = (escape(&picture.title), escape(&describe(picture)));
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title description">
<title id="title">{title}</title>
<desc id="description">{description}</desc>
<style>{STYLE}</style>
<rect class="paper" x="0.5" y="0.5" width="{}" height="{}" rx="8"/>
{body}</svg>
"#,
        WIDTH - 1.0,
        height - 1.0,
    )
}

/// The picture in words, for those who cannot see it.
fn describe(picture: &Picture) -> String {
    let mut words = format!("{}.", picture.caption);
    for (nth, row) in (1..).zip(&picture.rows) {
        let jobs = row.bars.iter().map(|bar| bar.number.to_string());
        let jobs = match row.bars.as_slice() {
            [] => "none".into(),
            _ => Vec::from_iter(jobs).join(", "),
        };
        _ = write!(words, " Worker {nth} does jobs {jobs}.");
    }
    if let Some((at, name)) = picture.stop {
        _ = write!(words, " The {name} is at {}.", seconds(at));
    }
    for (_, name, value) in &picture.figures {
        _ = write!(words, " {name}: {value}.");
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
        _ = writeln!(self.body, "{start}{}</text>", escape(words));
    }

    fn path(&mut self, class: &str, path: &str) {
        _ = writeln!(self.body, r#"<path class="{class}" d="{path}"/>"#);
    }

    /// The axis and the stop, behind the chart.
    fn axis(&mut self, picture: &Picture, chart_height: f64) {
        let (top, bottom) = (self.y - 6.0, self.y + chart_height + 6.0);
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

    fn row(&mut self, nth: usize, row: &Row, pitch: f64) {
        let middle = self.y + pitch / 2.0;
        self.text(LEFT - 12.0, middle + 4.5, "right", &format!("worker {nth}"));
        let mut idle_from = row.alive.0;
        let next = row.bars.iter().skip(1).map(|next| next.time.0);
        for (bar, idle_to) in zip(&row.bars, next.chain([self.span])) {
            self.idle(idle_from, bar.time.0, middle);
            let idle = (self.x(idle_from), self.x(idle_to));
            self.bar(bar, idle, middle, pitch - 4.0);
            idle_from = bar.time.1;
        }
        self.idle(idle_from, row.alive.1, middle);
        self.y += pitch;
    }

    fn idle(&mut self, from: Duration, to: Duration, y: f64) {
        if from < to {
            let (from, to) = (self.x(from) + 3.0, self.x(to) - 3.0);
            self.path("idle", &format!("M{from:.1} {y}H{to:.1}"));
        }
    }

    fn bar(&mut self, bar: &Bar, idle: (f64, f64), middle: f64, height: f64) {
        let (from, to) = (self.x(bar.time.0), self.x(bar.time.1));
        let (x, width) = (from + 0.75, (to - from - 1.5).max(1.0));
        let (y, class) = (middle - height / 2.0, bar.look.name());
        let start = format!(r#"<rect class="{class}" x="{x:.1}" y="{y}" width="{width:.1}""#);
        _ = writeln!(self.body, r#"{start} height="{height}" rx="4"/>"#);
        let label = match bar.look {
            Look::Done | Look::Late => bar.number.to_string(),
            _ => format!("{} {class}", bar.number),
        };
        let needed = label.len() as f64 * CHARACTER + 4.0;
        let (x, class) = if needed <= width {
            (x + width / 2.0, "in")
        } else if to + needed <= idle.1 {
            (to + 3.0, "")
        } else if idle.0 + needed <= from {
            (from - 3.0, "right")
        } else {
            return;
        };
        self.text(x, middle + 4.5, class, &label);
    }

    fn queue(&mut self, picture: &Picture) {
        let (top, height) = (self.y + 10.0, QUEUE - 16.0);
        let (bottom, peak) = (top + height, picture.peak());
        self.text(MARGIN, top + height / 2.0 + 4.5, "", "queue");
        self.text(LEFT - 12.0, top + 9.0, "quiet right", &peak.to_string());
        self.text(LEFT - 12.0, bottom, "quiet right", "0");

        let mut path = format!("M{LEFT} {bottom}");
        for &(at, length) in &picture.queue {
            let (x, share) = (self.x(at), length as f64 / peak.max(1) as f64);
            _ = write!(path, "H{x:.1}V{:.1}", bottom - share * height);
        }
        _ = write!(path, "H{:.1}V{bottom}", self.x(self.span));
        self.path("level", &path);
        self.y += QUEUE;
    }

    fn track(&mut self, track: &Track) {
        let middle = self.y + 18.0;
        self.text(LEFT - 12.0, middle + 4.5, "right", track.name);
        for (at, words) in &track.marks {
            let (x, top) = (self.x(*at), middle - 6.0);
            let Some(words) = words else {
                let circle = format!(r#"cx="{x:.1}" cy="{middle}" r="2""#);
                _ = writeln!(self.body, r#"<circle class="chance" {circle}/>"#);
                continue;
            };
            self.path("mark", &format!("M{x:.1} {top}l6 11h-12z"));
            let (x, class) = match words.len() as f64 * CHARACTER + 10.0 {
                width if x + width <= WIDTH - MARGIN => (x + 10.0, ""),
                _ => (x - 10.0, "right"),
            };
            self.text(x, middle + 5.0, class, words);
        }
        self.y += TRACK;
    }

    fn figure(&mut self, (look, name, value): &Figure) {
        let (mut x, y) = (LEFT, self.y);
        if let Some(look) = look {
            let start = format!(r#"<rect class="{}" x="{x}" y="{}""#, look.name(), y - 11.0);
            _ = writeln!(self.body, r#"{start} width="12" height="12" rx="3"/>"#);
            x += 18.0;
        }
        self.text(x, y, "quiet", name);
        self.text(LEFT + 160.0, y, "", value);
        self.y += 20.0;
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

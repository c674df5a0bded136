//! The picture, in a page.

use std::fmt::Write as _;
use std::mem;
use std::time::Duration;

use super::picture::{Bar, Figure, Look, Picture, Row, Track, axis_step, index, peak, seconds};
use crate::script::Outcome;

/// All lengths are in pixels at the size that the picture has by itself.
const WIDTH: f64 = 880.0;
const LEFT: f64 = 108.0;
const RIGHT: f64 = 36.0;
const MARGIN: f64 = 20.0;

/// What a character takes of the width of a line, about.
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

/// Draws the picture, as the text of an SVG file.
pub fn draw(picture: &Picture) -> String {
    let mut page = Page {
        body: String::new(),
        y: 0.0,
        end: picture.span,
    };
    page.head(picture);
    page.chart(picture);
    page.figures(&picture.figures);

    let (height, body) = (page.y, page.body);
    let (title, description) = (escape(&picture.title), escape(&describe(picture)));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"title description\">\n\
         <title id=\"title\">{title}</title>\n\
         <desc id=\"description\">{description}</desc>\n\
         <style>{STYLE}</style>\n\
         <rect class=\"paper\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n\
         {body}</svg>\n",
        WIDTH - 1.0,
        height - 1.0,
    )
}

/// In words, what a picture cannot tell everyone.
fn describe(picture: &Picture) -> String {
    let mut words = format!("{}.", picture.caption);
    for (nth, row) in (1..).zip(&picture.rows) {
        let jobs: Vec<_> = row.bars.iter().map(|bar| bar.number.to_string()).collect();
        let jobs = match jobs.is_empty() {
            true => "none".into(),
            false => jobs.join(", "),
        };
        _ = write!(words, " Worker {nth} does jobs {jobs}.");
    }
    if let Some((at, name)) = picture.stop {
        _ = write!(words, " The {name} is at {}.", seconds(at));
    }
    for Figure { name, value, .. } in &picture.figures {
        _ = write!(words, " {name}: {value}.");
    }
    words
}

/// Writes an element.
macro_rules! put {
    ($page:expr, $($element:tt)*) => {
        _ = writeln!($page.body, $($element)*); // a string takes all
    };
}

/// What is drawn so far.
struct Page {
    body: String,
    /// Down to where.
    y: f64,
    /// The time that the width stands for.
    end: Duration,
}

impl Page {
    fn x(&self, at: Duration) -> f64 {
        let share = at.div_duration_f64(self.end).min(1.0);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let text = escape(text);
        put! { self, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>" }
    }

    fn head(&mut self, picture: &Picture) {
        self.text(MARGIN, 32.0, "title", &picture.title);
        self.text(MARGIN, 54.0, "quiet", &picture.caption);
        self.y = if picture.stop.is_some() { 92.0 } else { 76.0 };
    }

    /// Workers and tracks, with the axis and the stop behind them.
    fn chart(&mut self, picture: &Picture) {
        let (top, head) = (self.y - 6.0, mem::take(&mut self.body));
        let pitch = if picture.rows.len() > 10 { 22.0 } else { 32.0 };
        for (nth, row) in (1..).zip(&picture.rows) {
            self.row(nth, row, pitch);
        }
        for track in &picture.tracks {
            match track {
                Track::Marks {
                    name,
                    marks,
                    chances,
                } => self.marks(name, marks, chances),
                Track::Level { name, steps } => self.level(name, steps),
            }
        }
        let chart = mem::replace(&mut self.body, head);
        self.y += 6.0;
        self.axis(top);
        if let Some((at, name)) = picture.stop {
            self.stop(top, at, name);
        }
        self.body += &chart;
        self.y += 46.0;
    }

    fn axis(&mut self, top: f64) {
        let (bottom, end) = (self.y, self.end);
        let step = axis_step(end / 12);
        for at in (0..).map(|nth| step * nth).take_while(|&at| at <= end) {
            let x = self.x(at);
            put! { self, "<path class=\"grid\" d=\"M{x:.1} {top}V{bottom}\"/>" }
            self.text(x, bottom + 18.0, "quiet middle", &seconds(at));
        }
    }

    fn stop(&mut self, top: f64, at: Duration, name: &str) {
        let (x, bottom) = (self.x(at), self.y);
        put! { self, "<path class=\"stop\" d=\"M{x:.1} {top}V{bottom}\"/>" }
        self.text(x, top - 6.0, "stop-name middle", name);
    }

    fn row(&mut self, nth: usize, row: &Row, pitch: f64) {
        let (y, middle) = (self.y, self.y + pitch / 2.0);
        self.text(LEFT - 12.0, middle + 4.5, "right", &format!("worker {nth}"));
        let mut idle_from = row.alive.0;
        for (nth, bar) in row.bars.iter().enumerate() {
            let idle_to = row.bars.get(nth + 1).map_or(self.end, |bar| bar.time.0);
            self.idle(idle_from, bar.time.0, middle);
            self.bar(bar, (idle_from, idle_to), y + 2.0, pitch - 4.0);
            idle_from = bar.time.1;
        }
        self.idle(idle_from, row.alive.1, middle);
        self.y += pitch;
    }

    fn idle(&mut self, from: Duration, to: Duration, y: f64) {
        if from < to {
            let (from, to) = (self.x(from) + 3.0, self.x(to) - 3.0);
            put! { self, "<path class=\"idle\" d=\"M{from:.1} {y}H{to:.1}\"/>" }
        }
    }

    /// A bar; its number is in it if there is room, otherwise to the right or to the left of it.
    fn bar(&mut self, bar: &Bar, idle: (Duration, Duration), y: f64, height: f64) {
        let (from, to) = (self.x(bar.time.0), self.x(bar.time.1));
        let (x, width) = (from + 0.75, (to - from - 1.5).max(1.0));
        let class = class(bar.look);
        put! { self, "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{height}\" rx=\"4\"/>" }
        let label = match bar.look.0 {
            Outcome::Done => bar.number.to_string(),
            _ => format!("{} {class}", bar.number),
        };
        let (needed, base) = (label.len() as f64 * CHARACTER, y + height / 2.0 + 4.5);
        if needed + 4.0 <= width {
            self.text(x + width / 2.0, base, "in", &label);
        } else if to + needed + 4.0 <= self.x(idle.1) {
            self.text(to + 3.0, base, "", &label);
        } else if self.x(idle.0) + needed + 4.0 <= from {
            self.text(from - 3.0, base, "right", &label);
        }
    }

    fn marks(&mut self, name: &str, marks: &[(Duration, String)], chances: &[Duration]) {
        let middle = self.y + 18.0;
        self.text(LEFT - 12.0, middle + 4.5, "right", name);
        for &at in chances {
            let x = self.x(at);
            put! { self, "<circle class=\"chance\" cx=\"{x:.1}\" cy=\"{middle}\" r=\"2\"/>" }
        }
        for (at, label) in marks {
            let x = self.x(*at);
            let (top, base) = (middle - 6.0, middle + 5.0);
            put! { self, "<path class=\"mark\" d=\"M{x:.1} {top}l6 11h-12z\"/>" }
            let room = WIDTH - MARGIN - x;
            if label.len() as f64 * CHARACTER + 10.0 <= room {
                self.text(x + 10.0, base, "", label);
            } else {
                self.text(x - 10.0, base, "right", label);
            }
        }
        self.y += 32.0;
    }

    fn level(&mut self, name: &str, steps: &[(Duration, usize)]) {
        const HEIGHT: f64 = 54.0;
        let (top, bottom) = (self.y + 10.0, self.y + 10.0 + HEIGHT);
        let peak = peak(steps);
        self.text(MARGIN, (top + bottom) / 2.0 + 4.5, "", name);
        self.text(LEFT - 12.0, top + 9.0, "quiet right", &peak.to_string());
        self.text(LEFT - 12.0, bottom, "quiet right", "0");

        let mut path = format!("M{LEFT} {bottom}");
        for &(at, level) in steps {
            let (x, share) = (self.x(at), level as f64 / peak.max(1) as f64);
            _ = write!(path, "H{x:.1}V{:.1}", bottom - share * HEIGHT);
        }
        let end = self.x(self.end);
        put! { self, "<path class=\"level\" d=\"{path}H{end:.1}V{bottom}\"/>" }
        self.y += HEIGHT + 16.0;
    }

    fn figures(&mut self, figures: &[Figure]) {
        for Figure { look, name, value } in figures {
            let y = self.y;
            if let Some(look) = look {
                let class = class(*look);
                put! { self, "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{}\" width=\"12\" height=\"12\" rx=\"3\"/>", y - 11.0 }
            }
            let indent = if look.is_some() { 18.0 } else { 0.0 };
            self.text(LEFT + indent, y, "quiet", name);
            self.text(LEFT + 160.0, y, "", value);
            self.y += 20.0;
        }
    }
}

/// The name of a look.
pub fn class(look: Look) -> &'static str {
    ["done", "late", "failed", "panicked"][index(look)]
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

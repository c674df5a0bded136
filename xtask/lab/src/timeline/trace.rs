//! The picture in the Chrome trace event format, which Perfetto and chrome://tracing open.

use std::time::Duration;

use serde_json::{Value, json};

use super::picture::{Picture, Track};
use super::svg::class;

/// The picture as the text of a trace file: a process with a thread for each worker.
pub fn draw(picture: &Picture) -> String {
    let title = json!({ "name": picture.title });
    let mut events = vec![metadata("process_name", 0, title)];
    for (worker, row) in (1..).zip(&picture.rows) {
        let name = json!({ "name": format!("worker {worker}") });
        events.push(metadata("thread_name", worker, name));
        let index = json!({ "sort_index": worker });
        events.push(metadata("thread_sort_index", worker, index));
        for bar in &row.bars {
            let (from, to) = bar.time;
            let mut event = event("X", &format!("job {}", bar.number), from, worker);
            event["cat"] = class(bar.look).into();
            event["dur"] = microseconds(to.saturating_sub(from));
            events.push(event);
        }
    }
    for track in &picture.tracks {
        match track {
            Track::Marks { name, marks, .. } => {
                let name = |label| format!("{name} {label}").trim_end().to_owned();
                events.extend(marks.iter().map(|(at, label)| instant(&name(label), *at)));
            }
            Track::Level { name, steps } => events.extend(steps.iter().map(|&(at, level)| {
                let mut event = event("C", name, at, 0);
                event["args"] = json!({ "jobs": level });
                event
            })),
        }
    }
    events.extend(picture.stop.map(|(at, name)| instant(name, at)));
    let trace = json!({ "displayTimeUnit": "ms", "traceEvents": events });
    format!("{trace:#}\n")
}

fn event(phase: &str, name: &str, at: Duration, thread: usize) -> Value {
    json!({ "ph": phase, "name": name, "ts": microseconds(at), "pid": 1, "tid": thread })
}

fn metadata(name: &str, thread: usize, args: Value) -> Value {
    let mut event = event("M", name, Duration::ZERO, thread);
    event["args"] = args;
    event
}

/// A moment of the whole process.
fn instant(name: &str, at: Duration) -> Value {
    let mut event = event("i", name, at, 0);
    event["s"] = "p".into();
    event
}

/// The format's unit of time.
fn microseconds(time: Duration) -> Value {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).into()
}

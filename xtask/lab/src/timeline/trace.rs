//! The picture in the Chrome trace event format, which Perfetto and chrome://tracing open.

use std::time::Duration;

use serde_json::{Value, json};

use super::picture::Picture;

/// The picture as the text of a trace file: a process with a thread for each worker.
pub fn draw(picture: &Picture) -> String {
    let metadata = |name, thread, args| event("M", name, Duration::ZERO, thread, "args", args);
    let instant = |name: &str, at| event("i", name, at, 0, "s", "p".into()); // of the whole process
    let title = json!({ "name": picture.title });
    let mut events = vec![metadata("process_name", 0, title)];
    for (worker, row) in (1..).zip(&picture.rows) {
        let name = json!({ "name": format!("worker {worker}") });
        events.push(metadata("thread_name", worker, name));
        let index = json!({ "sort_index": worker });
        events.push(metadata("thread_sort_index", worker, index));
        events.extend(row.bars.iter().map(|bar| {
            let duration = microseconds(bar.time.end.saturating_sub(bar.time.start));
            let name = format!("job {}", bar.number);
            let mut event = event("X", &name, bar.time.start, worker, "dur", duration);
            event["cat"] = bar.look.name().into();
            event
        }));
    }
    let length = |(&at, length)| event("C", "queue", at, 0, "args", json!({ "jobs": length }));
    events.extend(picture.queue.iter().map(length));
    for (name, marks) in &picture.tracks {
        events.extend(marks.iter().filter_map(|(at, words)| {
            let name = format!("{name} {}", words.as_ref()?);
            Some(instant(name.trim_end(), *at))
        }));
    }
    events.extend(picture.stop.map(|(at, name)| instant(name, at)));
    let trace = json!({ "displayTimeUnit": "ms", "traceEvents": events });
    format!("{trace:#}\n")
}

/// An event with one field that only its phase has.
fn event(phase: &str, name: &str, at: Duration, thread: usize, key: &str, value: Value) -> Value {
    let at = microseconds(at);
    json!({ "ph": phase, "name": name, "ts": at, "pid": 1, "tid": thread, key: value })
}

/// The format's unit of time.
fn microseconds(time: Duration) -> Value {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).into()
}

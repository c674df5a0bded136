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
        for bar in &row.bars {
            let (from, name) = (bar.time.start, format!("job {}", bar.number));
            let duration = bar.time.end.saturating_sub(from).as_micros();
            let mut event = event("X", &name, from, worker, "dur", json!(duration));
            event["cat"] = bar.style.name().into();
            events.push(event);
        }
    }
    let length = |(&at, length)| event("C", "queue", at, 0, "args", json!({ "jobs": length }));
    events.extend(picture.queue.iter().map(length));
    for (name, marks) in &picture.tracks {
        for (at, words) in marks
            .iter()
            .flat_map(|(at, words)| Some((at, words.as_ref()?)))
        {
            events.push(instant(format!("{name} {words}").trim_end(), *at));
        }
    }
    events.extend(picture.stop.map(|(at, name)| instant(name, at)));
    let trace = json!({ "displayTimeUnit": "ms", "traceEvents": events });
    format!("{trace:#}\n")
}

/// An event with one field that only its phase has. The unit of time is the microsecond.
fn event(phase: &str, name: &str, at: Duration, thread: usize, key: &str, value: Value) -> Value {
    let at = at.as_micros();
    json!({ "ph": phase, "name": name, "ts": at, "pid": 1, "tid": thread, key: value })
}

//! Simulated time for a pool of real threads.
//!
//! The work of each job reports to the conductor and waits. The conductor keeps the clock: it waits
//! until the pool has started all that it can, then sets the clock to when the job that is due first
//! ends, and lets that one go on. So the pool decides who does what, and the conductor when it ends.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::pools::{Event, Outcome, Threads};
use crate::scenario::Scenario;

use super::Recording;

/// How long a pool may do nothing at all, in real time, before it counts as stuck.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What the pool's threads send to the conductor.
enum Message {
    /// A worker has a job in hand, and waits until it is over.
    Start {
        worker: usize,
        job: usize,
        go_on: Sender<()>,
    },
    /// Every job is handed in, and whoever did it waits until the pool is to stop.
    Stop { go_on: Sender<()> },
    /// The pool has something to say.
    Event(Event),
    /// The pool has ended.
    End(io::Result<()>),
}

/// The conductor, as the pool's threads see it.
struct Host {
    conductor: Sender<Message>,
    fate: fn(usize) -> Outcome,
}

impl Host {
    fn send(&self, message: Message) {
        _ = self.conductor.send(message); // an error: it has given up on this pool
    }

    fn wait(&self, message: impl FnOnce(Sender<()>) -> Message) {
        let (go_on, gate) = channel();
        self.send(message(go_on));
        _ = gate.recv();
    }
}

impl Threads for Host {
    fn work(&self, worker: usize, job: usize) -> Outcome {
        self.wait(|go_on| Message::Start { worker, job, go_on });
        (self.fate)(job)
    }

    fn stop(&self) {
        self.wait(|go_on| Message::Stop { go_on });
    }

    fn hear(&self, event: Event) {
        self.send(Message::Event(event));
    }
}

/// Runs a pool in simulated time.
///
/// # Errors
///
/// If the system refuses to start a thread, or the pool panics, or does nothing for `patience`
/// although no job is in hand.
pub fn conduct(
    run: impl FnOnce(Arc<dyn Threads>) -> io::Result<()> + Send + 'static,
    scenario: &Scenario,
    patience: Duration,
) -> Result<Recording, Box<dyn Error>> {
    let (conductor, inbox) = channel();
    let fate = scenario.fate;
    let pool = thread::Builder::new().name("pool".into());
    pool.spawn(move || {
        let host = Arc::new(Host {
            conductor: conductor.clone(),
            fate,
        });
        _ = conductor.send(Message::End(run(host)));
    })?; // never joined: it may be stuck

    let mut conductor = Conductor {
        scenario,
        workers: scenario.workers.get(),
        unfinished: scenario.total(),
        results_due: Some(0),
        stop_due: scenario.pause.is_some(),
        waiting: BTreeMap::new(),
        recording: Recording::default(),
    };
    loop {
        while !conductor.has_settled() {
            match inbox.recv_timeout(patience) {
                Ok(Message::End(result)) => return Ok(result.map(|()| conductor.recording)?),
                Ok(message) => conductor.receive(message),
                Err(RecvTimeoutError::Timeout) => conductor.expect_no_more()?,
                Err(RecvTimeoutError::Disconnected) => return Err("the pool panicked".into()),
            }
        }
        conductor.go_on();
    }
}

struct Conductor<'a> {
    scenario: &'a Scenario,
    /// How many jobs the pool can have in hand.
    workers: usize,
    unfinished: usize,
    /// How many jobs have finished whose result has not come yet; `None` if results do not come.
    results_due: Option<usize>,
    /// Whether the stop is still to come.
    stop_due: bool,
    /// Who waits: until when, with which job (0 for the stop, which goes first) and as which worker.
    waiting: BTreeMap<(Duration, usize, usize), Sender<()>>,
    recording: Recording,
}

impl Conductor<'_> {
    /// Whether the pool has done all that it can before the clock goes on.
    fn has_settled(&self) -> bool {
        let expected = self.workers.min(self.unfinished) + usize::from(self.stop_due);
        self.waiting.len() >= expected.max(1) && self.results_due.unwrap_or(0) == 0
    }

    fn receive(&mut self, message: Message) {
        let now = self.recording.end;
        let (due, event) = match message {
            Message::Start { worker, job, go_on } => {
                let due = now + self.scenario.length;
                (
                    Some(((due, job, worker), go_on)),
                    Some(Event::Started { worker, job }),
                )
            }
            Message::Stop { go_on } => {
                let due = now + self.scenario.wait_before_stop().unwrap_or_default();
                (Some(((due, 0, 0), go_on)), None)
            }
            // Nobody waits for workers to end, so when they do is left to chance.
            Message::Event(Event::Ended { .. }) | Message::End(_) => (None, None),
            Message::Event(event) => (None, Some(event)),
        };
        if let Some(Event::Result { .. }) = event {
            self.results_due = self.results_due.map(|due| due.saturating_sub(1));
        }
        self.waiting.extend(due);
        self.recording
            .events
            .extend(event.map(|event| (now, event)));
    }

    /// Sets the clock to when the first of those who wait is due, and lets it go on.
    fn go_on(&mut self) {
        let Some(((due, job, worker), go_on)) = self.waiting.pop_first() else {
            return;
        };
        let event = match job {
            0 => {
                self.stop_due = false;
                Event::Stop
            }
            job => {
                self.unfinished = self.unfinished.saturating_sub(1);
                self.results_due = self.results_due.map(|due| due + 1);
                Event::Finished { worker, job }
            }
        };
        self.recording.end = due;
        self.recording.events.push((due, event));
        _ = go_on.send(()); // an error: whoever waited has ended
    }

    /// The pool does less than it could: what it has done is all that there is to draw.
    fn expect_no_more(&mut self) -> Result<(), Box<dyn Error>> {
        if self.waiting.is_empty() {
            let unfinished = self.unfinished;
            return Err(format!("the pool is stuck, with {unfinished} jobs to do").into());
        }
        self.stop_due &= self.waiting.keys().any(|&(_, job, _)| job == 0);
        self.workers = self.waiting.len() - usize::from(self.stop_due);
        self.results_due = self.results_due.filter(|&due| due == 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ARTICLE;

    /// What a pool of three does not do in time, it is not waited for again.
    #[test]
    fn what_there_is_is_all_that_there_will_be() {
        let (go_on, _gate) = channel();
        for (waiting, workers, stop_due) in [
            (&[1, 2][..], 2, false),
            (&[0, 1], 1, true), // 0 is the stop
            (&[0], 0, true),
        ] {
            let waits = |&job: &usize| ((Duration::from_secs(1), job, job), go_on.clone());
            let mut conductor = Conductor {
                scenario: &ARTICLE,
                workers: 3,
                unfinished: 5,
                results_due: Some(1),
                stop_due: true,
                waiting: waiting.iter().map(waits).collect(),
                recording: Recording::default(),
            };
            assert!(!conductor.has_settled());
            conductor.expect_no_more().expect("somebody waits");
            assert!(conductor.has_settled());
            assert_eq!((conductor.workers, conductor.stop_due), (workers, stop_due));
        }
    }
}

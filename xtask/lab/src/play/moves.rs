//! Moves, and the runs that they make.

use std::mem::replace;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use super::view::View;
use crate::guarantees::Stop;
use crate::harness::play_moves;
use crate::script::{Job, MILLISECOND, Moments, Outcome, Script, When};
use crate::steps::Step;
use crate::timeline::picture::list;

/// What `--moves help` prints.
pub const HELP: &str = "\
Moves, with spaces between them:

3     job 3 ends now
f3    job 3 ends with an error
p3    job 3 panics
s     one more job is submitted
b     a burst of five jobs is submitted
t     time goes on to what is due next: a tick, a timeout, a look of the scaler
c     no more jobs come (1, 2, 3, 6), the pool is cancelled (4, 7), stopped (5, 8)
s+c   both happen at one moment; so can any others but t";

/// From the last move until all other jobs end, unseen.
pub const UNSEEN: Duration = Duration::from_secs(60);

/// The pool after some moves.
#[derive(Clone)]
pub struct Game {
    pub step: Step,
    /// The moves.
    pub words: String,
    /// The pool's settings, and how jobs end.
    pub script: Script,
    /// When jobs came and ended, and when no more came or the pool was stopped; `MAX` for not yet.
    moments: Moments,
    /// The pool before the last move.
    pub before: View,
    /// The pool now.
    pub now: View,
    patience: Duration,
}

impl Game {
    /// Starts the pool, with five jobs.
    pub fn new(step: &Step, patience: Duration) -> Self {
        let number = |number| NonZeroUsize::new(number).expect("it is not 0");
        let script = step.program.script();
        let script = Script {
            max_workers: script.max_workers.min(number(6)),
            capacity: number(if step.guarantees.scales { 10 } else { 3 }),
            burst: NonZeroU32::new(3).expect("it is not 0"),
            jobs: Vec::new(),
            stop: None,
            ..script
        };
        let mut game = Self {
            step: *step,
            words: String::new(),
            script,
            moments: Moments {
                jobs: Vec::new(),
                end: Duration::MAX,
            },
            before: View::default(),
            now: View::default(),
            patience,
        };
        let start = Duration::ZERO;
        game.now = View::new(&game, start, Vec::new(), Ok(UNSEEN));
        game.add("b", start).expect("jobs can come");
        game.run(start)
    }

    /// The pool after one more move.
    ///
    /// # Errors
    ///
    /// If the move is not possible.
    pub fn play(&self, word: &str) -> Result<Self, String> {
        let mut next = self.clone();
        let mut at = self.now.at + MILLISECOND;
        if word == "t" {
            at = at.max(self.now.next_due.ok_or("t: no timer is due")?);
        } else {
            let mut words = word.split('+');
            words.try_for_each(|word| next.add(word, at))?;
        }
        next.words = format!("{} {word}", self.words);
        Ok(next.run(at))
    }

    /// Adds what happens at this moment.
    fn add(&mut self, word: &str, at: Duration) -> Result<(), String> {
        let refuse = |why: &str| Err(format!("{word}: {why}"));
        let number = word.strip_prefix(['f', 'p']).unwrap_or(word);
        let jobs = self.moments.jobs.len() + if word == "b" { 5 } else { 1 };
        match (word, number.parse::<usize>()) {
            ("s" | "b" | "c", _) if self.now.stopped => return refuse("no more jobs come"),
            ("s" | "b", _) if jobs > 99 => return refuse("99 jobs are the most"),
            ("c", _) => self.moments.end = at,
            ("s" | "b", _) => {
                self.moments.jobs.resize(jobs, (at, Duration::MAX));
                self.script.jobs.resize(jobs, Job::default());
            }
            (_, Ok(job)) if self.now.in_flight().contains_key(&job) => {
                self.moments.jobs[job - 1].1 = at;
                self.script.jobs[job - 1].outcome = match &word[..1] {
                    "f" => Outcome::Failed,
                    "p" => Outcome::Panicked,
                    _ => Outcome::Done,
                };
            }
            (_, Ok(_)) => {
                let jobs = list(self.now.in_flight().into_keys());
                return refuse(&format!("not in flight; in flight: {jobs}"));
            }
            _ => return refuse("no such move; `--moves help` lists them"),
        }
        Ok(())
    }

    /// A new run of the pool, up to `now`.
    fn run(mut self, now: Duration) -> Self {
        let (kind, unseen) = (self.step.guarantees.stop, now + UNSEEN);
        let mut script = self.script.clone();
        for job in &mut script.jobs {
            job.duration = unseen; // so that no deadline is before that
        }
        script.submitters = NonZeroUsize::new(script.jobs.len()).expect("jobs come at the start");
        let mut moments = self.moments.clone();
        for (_, end) in &mut moments.jobs {
            *end = unseen.min(*end);
        }
        let stop = replace(&mut moments.end, unseen);
        match kind {
            Stop::Never => moments.end = unseen.min(stop),
            Stop::Drains => script.stop = Some(When::After(unseen.min(stop))),
            Stop::HandsBack => {
                let timeout = self.step.program.timeout.unwrap_or(stop);
                script.stop = Some(When::After(timeout.min(stop)));
            }
        }
        let (log, run) = play_moves(&self.step, script, moments, self.patience);
        if run.is_err() {
            self.patience = self.patience.min(Duration::from_secs(1)); // stuck: it will be again
        }
        let end = run.map(|run| run.end);
        let end = end.map_err(|error| self.now.error.take().unwrap_or(error));
        let now = View::new(&self, now, log, end);
        self.before = replace(&mut self.now, now);
        self
    }
}

//! Moves, and the runs that they make.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use super::view::View;
use crate::guarantees::Stop;
use crate::harness::play_moves;
use crate::script::{Job, MILLISECOND, Moments, Outcome, Script, When};
use crate::steps::Step;

/// What `--moves help` prints.
pub const HELP: &str = "\
Moves, with spaces between them:

3     job 3 ends now
f3    job 3 ends with an error
p3    job 3 panics
s     one more job is submitted
b     a burst of five jobs is submitted
t     time goes on to what is due next: a tick, a timeout, a look of the scaler
c     no more jobs come (1, 2, 3, 6), the pool is cancelled (4, 7) or stopped (5, 8)
s+c   both happen at one moment; so can any others but t";

/// How many jobs there are from the start.
const JOBS: usize = 5;

/// From the last move until all other jobs end, unseen.
const UNSEEN: Duration = Duration::from_secs(60);

/// One move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    End(usize, Outcome),
    Submit(usize),
    Stop,
}

/// The moves so far, and what the pool did after each.
pub struct Game {
    pub step: Step,
    pub settings: Script,
    pub words: Vec<String>,
    /// What happens at which moment; nothing where time goes on.
    moves: Vec<(Duration, Vec<Move>)>,
    /// From the state before all moves on.
    pub views: Vec<View>,
    patience: Duration,
}

impl Game {
    /// Starts the pool, with its first jobs.
    pub fn new(step: &Step, patience: Duration) -> Self {
        let (scales, is_limited) = (step.guarantees.scales, step.guarantees.is_limited);
        let number = |number| NonZeroUsize::new(number).expect("it is not 0");
        let script = step.program.script();
        let settings = Script {
            max_workers: script.max_workers.min(number(6)),
            capacity: number(if scales { 10 } else { 3 }),
            burst: NonZeroU32::new(if is_limited { 3 } else { 1 }).expect("it is not 0"),
            jobs: Vec::new(),
            stop: None,
            ..script
        };
        let mut game = Self {
            step: *step,
            settings,
            words: Vec::new(),
            moves: vec![(Duration::ZERO, vec![Move::Submit(JOBS)])],
            views: Vec::new(),
            patience,
        };
        game.views.push(game.run());
        game
    }

    /// Makes a move.
    ///
    /// # Errors
    ///
    /// If it is not possible; then nothing has changed.
    pub fn play(&mut self, word: &str) -> Result<(), String> {
        let before = self.now();
        let (mut at, mut moves) = (before.at + MILLISECOND, Vec::new());
        if word == "t" {
            let due = before.next_due.ok_or("t: no timer is due")?;
            at = at.max(due);
        } else {
            for word in word.split('+') {
                let one = parse(word)
                    .ok_or_else(|| format!("{word:?} is no move: `--moves help` lists them"))?;
                before.allows(one).map_err(|why| format!("{word}: {why}"))?;
                if moves.contains(&one) {
                    return Err(format!("{word}: twice in one move"));
                }
                moves.push(one);
            }
        }
        self.moves.push((at, moves));
        self.words.push(word.into());
        self.views.push(self.run());
        Ok(())
    }

    /// A new run of the pool, up to the last move.
    fn run(&self) -> View {
        let now = self.moves.last().map_or(Duration::ZERO, |&(at, _)| at);
        let unseen = now + UNSEEN;
        let mut script = self.settings.clone();
        let mut moments = Vec::new();
        let mut stop = None;
        let all = self.moves.iter();
        for (at, one) in all.flat_map(|(at, moves)| moves.iter().map(move |one| (at, one))) {
            match *one {
                Move::Submit(count) => moments.extend([(*at, unseen)].repeat(count)),
                Move::Stop => stop = Some(*at),
                Move::End(job, outcome) => {
                    moments[job - 1].1 = *at;
                    script
                        .jobs
                        .resize(script.jobs.len().max(job), Job::default());
                    script.jobs[job - 1].outcome = outcome;
                }
            }
        }
        script.jobs.resize(moments.len(), Job::default());
        for job in &mut script.jobs {
            job.duration = unseen; // so that no deadline is before that
        }
        script.submitters = NonZeroUsize::new(moments.len()).unwrap_or(NonZeroUsize::MIN);
        let kind = self.step.guarantees.stop;
        let timeout = self.step.program.timeout;
        let cancel = [stop, timeout].into_iter().flatten().min();
        let end = match kind {
            Stop::Never => stop.unwrap_or(unseen),
            Stop::HandsBack | Stop::Drains => unseen,
        };
        script.stop = match kind {
            Stop::Never => None,
            Stop::HandsBack => cancel.map(When::After),
            Stop::Drains => Some(When::After(stop.unwrap_or(unseen))),
        };
        let jobs = moments.clone();
        let (log, run) = play_moves(
            &self.step,
            script.clone(),
            Moments { jobs, end },
            self.patience,
        );
        let arrived = moments.len();
        View::new(self, &script, arrived, now, &log, &run)
    }

    /// The state after the last move.
    pub fn now(&self) -> &View {
        self.views.last().expect("the first is never removed")
    }

    /// Takes the last move back, if there is one.
    #[cfg(feature = "keys")]
    pub fn undo(&mut self) {
        if self.words.pop().is_some() {
            self.moves.pop();
            self.views.pop();
        }
    }

    /// The last moves.
    pub fn last_moves(&self) -> &[Move] {
        self.moves.last().map_or(&[], |(_, moves)| moves)
    }
}

fn parse(word: &str) -> Option<Move> {
    let (number, outcome) = match word.as_bytes().first()? {
        b's' if word.len() == 1 => return Some(Move::Submit(1)),
        b'b' if word.len() == 1 => return Some(Move::Submit(5)),
        b'c' if word.len() == 1 => return Some(Move::Stop),
        b'f' => (&word[1..], Outcome::Failed),
        b'p' => (&word[1..], Outcome::Panicked),
        _ => (word, Outcome::Done),
    };
    let job = number.parse().ok().filter(|_| !number.starts_with('+'));
    job.map(|job| Move::End(job, outcome))
}

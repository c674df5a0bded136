//! Playing with keys, on the terminal.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write, stdout};
use std::mem::take;
use std::time::Duration;
use std::{panic, process, thread};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode, size,
};
use crossterm::{execute, queue};

use super::moves::{Game, HELP};
use super::screen::{self, WIDTH};
use crate::harness::PATIENCE;
use crate::steps::Step;

const KEYS: &str = "
u     one move back
space the step's program plays, in real time; again stops
q     quit
A number that is also the start of another ends with Enter.";

const HOUR: Duration = Duration::from_secs(3600);
const HINT: &str = "number: job ends, s submit, t time, c stop, u back, space, ? help, q quit";

/// Runs `play` on a screen of its own, and restores the terminal however that ends.
///
/// # Errors
///
/// If the terminal cannot be read or written.
pub fn on_screen(play: impl FnOnce() -> io::Result<()>) -> Result<(), Box<dyn Error>> {
    let (print, here) = (panic::take_hook(), thread::current().id());
    panic::set_hook(Box::new(move |panic| {
        if thread::current().id() == here {
            restore(); // not for a thread of a pool: the screen shows what follows
            print(panic);
        }
    }));
    ctrlc::set_handler(|| interrupt())?;
    enable_raw_mode()?;
    let played = execute!(stdout(), EnterAlternateScreen, Hide).and_then(|()| play());
    restore();
    Ok(played?)
}

fn restore() {
    _ = execute!(stdout(), Show, LeaveAlternateScreen); // an error: the terminal is closed
    _ = disable_raw_mode();
}

fn interrupt() -> ! {
    restore();
    process::exit(130);
}

/// Plays until `q`.
///
/// # Errors
///
/// If the terminal cannot be read or written.
pub fn play(step: &Step, ascii: bool, quiz: bool) -> Result<(), Box<dyn Error>> {
    let mut table = Table {
        games: vec![Game::new(step, PATIENCE)],
        ascii,
        quiz,
        ..Table::default()
    };
    on_screen(|| {
        loop {
            table.draw()?;
            let next = table.next();
            let wait = next.as_ref().map_or(HOUR, |(wait, _)| *wait);
            if !event::poll(wait)? {
                table.clock += wait;
                next.into_iter().for_each(|(_, word)| table.make(&word));
            } else if let Event::Key(key) = event::read()?
                && key.kind == KeyEventKind::Press
                && !table.press(key)
            {
                return Ok(());
            }
        }
    })
}

#[derive(Default)]
struct Table {
    /// After each move.
    games: Vec<Game>,
    ascii: bool,
    quiz: bool,
    /// What a move leads to, with the job that starts and its worker: the question.
    asked: Option<(Game, usize, usize)>,
    /// How many answers were right, of how many.
    score: (usize, usize),
    /// The beginning of a move.
    typed: String,
    message: String,
    helps: bool,
    /// Whether the step's program plays, what time it is there, and when the jobs in flight started.
    plays: bool,
    clock: Duration,
    starts: BTreeMap<usize, Duration>,
}

impl Table {
    fn game(&self) -> &Game {
        self.games.last().expect("the first is never removed")
    }

    fn draw(&self) -> io::Result<()> {
        let (width, height) = size()?;
        let (width, height) = (usize::from(width), usize::from(height));
        let text = if width < WIDTH || height < 24 {
            format!("{width} x {height} is too small: {WIDTH} x 24 is needed")
        } else if self.helps {
            format!("{HELP}{KEYS}")
        } else {
            let [rows, words] = screen::draw(self.game(), width, self.ascii);
            let room = height - words.lines().count() - 1;
            let rows = Vec::from_iter(rows.lines().take(room)).join("\n");
            let prompt = self.typed.clone() + &self.message;
            let prompt = if prompt.is_empty() { HINT } else { &prompt };
            format!("{rows}\n{words}> {prompt}")
        };
        queue!(stdout(), Clear(ClearType::All), MoveTo(0, 0))?;
        write!(anstream::stdout(), "{}", text.replace('\n', "\r\n"))?;
        stdout().flush()
    }

    /// Whether the game goes on.
    fn press(&mut self, key: KeyEvent) -> bool {
        let (plays, helps) = (take(&mut self.plays), take(&mut self.helps));
        self.message.clear();
        match (key.code, self.asked.take()) {
            (KeyCode::Char('c'), _) if key.modifiers == KeyModifiers::CONTROL => interrupt(),
            (KeyCode::Char('q'), _) => return false,
            _ if helps => {}
            (KeyCode::Char(digit @ '1'..='9'), Some((next, job, worker))) => {
                let is_right = digit.to_string() == worker.to_string();
                self.score = (self.score.0 + usize::from(is_right), self.score.1 + 1);
                let (right, all) = self.score;
                let verdict = if is_right { "right" } else { "not this time" };
                let answer = format!("{verdict}: worker {worker} takes job {job}");
                self.message = format!("{answer}. {right} of {all} are right");
                self.games.push(next);
            }
            (KeyCode::Char('?'), _) => self.helps = true,
            (KeyCode::Char(' '), _) => {
                (self.plays, self.clock) = (!plays, self.game().now.at);
                self.starts.clear();
            }
            (KeyCode::Char('u'), Some(_)) => {} // the move that was asked about
            (KeyCode::Char('u'), None) => self.games.truncate(2.max(self.games.len()) - 1),
            (code @ (KeyCode::Char(_) | KeyCode::Enter), _) => {
                self.typed.extend(code.as_char());
                let number = self.typed.trim_start_matches(['f', 'p']);
                let mut jobs = self.game().now.in_flight().into_keys();
                let is_longer = |job: String| job.starts_with(number) && job != number;
                if code == KeyCode::Enter || !jobs.any(|job| is_longer(job.to_string())) {
                    let word = take(&mut self.typed);
                    self.make(&word);
                }
            }
            _ => self.typed.clear(),
        }
        true
    }

    /// Makes a move. In a quiz, asks first which worker takes a job, if one does.
    fn make(&mut self, word: &str) {
        let next = self.game().play(word);
        let next = next.map(|next| (next.now.started(&next.before).pop_first(), next));
        match next {
            Ok((Some((job, worker @ 1..=9)), next)) if self.quiz && !self.plays => {
                self.message = format!("{word}: which worker takes job {job}? Type its number");
                self.asked = Some((next, job, worker));
            }
            Ok((_, next)) => self.games.push(next),
            Err(why) => (self.message, self.plays) = (why, false),
        }
    }

    /// What the step's program does next, and how long that takes.
    fn next(&mut self) -> Option<(Duration, String)> {
        let game = self.games.last().filter(|_| self.plays)?;
        let (now, program) = (&game.now, &game.step.program);
        let ends = now.in_flight().into_keys().map(|job| {
            let start = self.starts.entry(job).or_insert(self.clock);
            (*start + program.duration, job.to_string())
        });
        let script = program.script();
        let comes = script
            .jobs
            .get(..=game.script.jobs.len())
            .filter(|_| !now.stopped);
        let comes = comes.map(|jobs| (jobs.iter().map(|job| job.interval).sum(), "s".into()));
        let is_idle = now.in_flight().is_empty() && now.waiting().is_empty();
        let stop = comes.is_none() && is_idle && !now.stopped;
        let stop = stop.then(|| (self.clock, "c".into()));
        let timer = now.next_due.map(|due| (due, "t".into()));
        let next = ends.chain(comes).chain(stop).chain(timer);
        let (at, word) = next.min_by_key(|(at, _)| *at)?;
        Some((at.saturating_sub(self.clock), word))
    }
}

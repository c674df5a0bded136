//! Playing with keys, on the terminal.

use std::error::Error;
use std::io::{self, Write, stdout};
use std::panic;
use std::process;
use std::time::Duration;

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode, size,
};
use crossterm::{execute, queue};

use super::moves::{Game, HELP};
use super::screen;
use super::view::Worker;
use crate::harness::PATIENCE;
use crate::steps::Step;

const KEYS: &str = "\n
u     one move back
space it plays by itself, a move a second; again stops
q     quit
A number of more than one digit ends with Enter, if the first digit could be one, too.";

const NARROW: (u16, u16) = (80, 24);

/// The screen of this game alone, until this is dropped.
struct Screen;

impl Screen {
    fn enter() -> io::Result<Self> {
        enable_raw_mode()?;
        let screen = Self;
        execute!(stdout(), EnterAlternateScreen, Hide)?;
        Ok(screen)
    }

    fn restore() {
        _ = execute!(stdout(), Show, LeaveAlternateScreen); // an error: the terminal is closed
        _ = disable_raw_mode();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        Self::restore();
    }
}

/// Plays until `q`.
///
/// # Errors
///
/// If the terminal cannot be read or written.
pub fn play(step: &Step, ascii: bool, quiz: bool) -> Result<(), Box<dyn Error>> {
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        Screen::restore();
        default(panic);
    }));
    ctrlc::set_handler(|| {
        Screen::restore();
        process::exit(130);
    })?;
    let _screen = Screen::enter()?;
    let mut table = Table {
        game: Game::new(step, PATIENCE),
        ascii,
        quiz,
        asked: None,
        score: (0, 0),
        typed: String::new(),
        message: String::new(),
        helps: false,
        plays: false,
    };
    loop {
        table.draw()?;
        if table.plays && !event::poll(Duration::from_secs(1))? {
            table.play_by_itself();
            continue;
        }
        if let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
            && !table.press(key)
        {
            return Ok(());
        }
    }
}

struct Table {
    game: Game,
    ascii: bool,
    quiz: bool,
    /// A move, with the worker that will start a job, and that job: the question.
    asked: Option<(String, usize, usize)>,
    /// How many answers were right, of how many.
    score: (usize, usize),
    /// The beginning of a move.
    typed: String,
    message: String,
    helps: bool,
    plays: bool,
}

impl Table {
    fn draw(&self) -> io::Result<()> {
        let (width, height) = size()?;
        let text = if width < NARROW.0 || height < NARROW.1 {
            format!("{width} x {height} is too small: 80 x 24 is needed")
        } else if self.helps {
            format!("{HELP}{KEYS}")
        } else {
            let question = self.asked.as_ref().map(|(word, _, job)| {
                format!("{word}: which worker takes job {job}? Type its number")
            });
            let hint = match (&self.typed[..], &self.message[..]) {
                _ if question.is_some() => question.as_deref().unwrap_or_default(),
                ("", "") if self.plays => "it plays by itself; space stops",
                ("", "") => "number: job ends, s submit, t time, c stop, u back, ? help, q quit",
                ("", message) => message,
                (typed, _) => typed,
            };
            format!(
                "{}\n> {hint}",
                screen::draw(&self.game, self.ascii).trim_end()
            )
        };
        let mut out = stdout().lock();
        queue!(out, Clear(ClearType::All), MoveTo(0, 0))?;
        let text = match AutoStream::choice(&out) {
            ColorChoice::Never => strip_str(&text).to_string(),
            _ => text,
        };
        let lines = Vec::from_iter(text.lines().take(height.into()));
        write!(out, "{}", lines.join("\r\n"))?;
        out.flush()
    }

    /// Whether the game goes on.
    fn press(&mut self, key: KeyEvent) -> bool {
        let plays = std::mem::take(&mut self.plays);
        self.message.clear();
        let controlled = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if controlled => {
                Screen::restore();
                process::exit(130);
            }
            KeyCode::Char('q') => return false,
            _ if std::mem::take(&mut self.helps) => {}
            KeyCode::Char(digit @ '1'..='9') if self.asked.is_some() => self.answer(digit),
            KeyCode::Char('?') => self.helps = true,
            KeyCode::Char(' ') => self.plays = !plays,
            KeyCode::Char('u') => {
                self.asked = None;
                self.game.undo();
            }
            _ if self.asked.is_some() => {}
            KeyCode::Char(digit @ ('0'..='9' | 'f' | 'p')) => {
                self.typed.push(digit);
                self.play_if_clear();
            }
            KeyCode::Char(letter @ ('s' | 'b' | 't' | 'c')) => self.make(&letter.to_string()),
            KeyCode::Enter if !self.typed.is_empty() => self.make(&self.typed.clone()),
            KeyCode::Backspace | KeyCode::Esc => self.typed.clear(),
            _ => {}
        }
        true
    }

    /// Makes the move that has been typed, unless it could be the beginning of another.
    fn play_if_clear(&mut self) {
        let number = self.typed.trim_start_matches(['f', 'p']);
        let jobs = self
            .game
            .now()
            .in_flight()
            .into_iter()
            .map(|job| job.to_string());
        let fits = jobs.filter(|job| job.starts_with(number)).count();
        if !number.is_empty()
            && fits < 2
            && (fits == 0
                || self
                    .game
                    .now()
                    .in_flight()
                    .iter()
                    .any(|job| job.to_string() == number))
        {
            self.make(&self.typed.clone());
        }
    }

    fn make(&mut self, word: &str) {
        self.typed.clear();
        if let Err(why) = self.game.play(word) {
            self.message = why;
        } else if self.quiz && !self.plays {
            self.ask(word);
        }
    }

    /// Takes the move back if a worker starts a job, and asks which.
    fn ask(&mut self, word: &str) {
        let [.., before, now] = &self.game.views[..] else {
            return;
        };
        let new = |(&id, worker): (&usize, &Worker)| match *worker {
            Worker::Busy(job) if !before.in_flight().contains(&job) => Some((id, job)),
            _ => None,
        };
        if let Some((worker, job)) = now.workers.iter().find_map(new)
            && worker < 10
        {
            self.asked = Some((word.into(), worker, job));
            self.game.undo();
        }
    }

    fn answer(&mut self, digit: char) {
        let Some((word, worker, job)) = self.asked.take() else {
            return;
        };
        let is_right = digit.to_string() == worker.to_string();
        self.score = (self.score.0 + usize::from(is_right), self.score.1 + 1);
        let (right, all) = self.score;
        let verdict = if is_right { "right" } else { "not this time" };
        self.message =
            format!("{verdict}: worker {worker} takes job {job}. {right} of {all} are right");
        if let Err(why) = self.game.play(&word) {
            self.message = why;
        }
    }

    /// The first job in flight ends; without one, time goes on.
    fn play_by_itself(&mut self) {
        let first = self.game.now().in_flight().into_iter().min();
        self.make(&first.map_or("t".into(), |job| job.to_string()));
        self.plays = self.message.is_empty();
    }
}

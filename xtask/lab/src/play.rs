//! `cargo xtask play`: the reader decides what happens next, and the step's own pool decides what follows.
//!
//! A move is a moment of simulated time. Each screen is a new run of the step's pool, in which jobs come and end at the
//! moments of the moves; shown is what the pool had done by the last move.

mod moves;
mod screen;
mod story;
#[cfg(feature = "keys")]
pub mod terminal;
mod view;

use std::error::Error;
use std::io::{IsTerminal, stdin, stdout};
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use xtask::output::{refusal, say};
use xtask::steps::STEPS;

use crate::harness::PATIENCE;
use crate::steps::Step;
use moves::Game;
use screen::WIDTH;

/// Which pool to play, and the moves.
#[derive(clap::Args, Debug)]
pub struct Flags {
    /// Which step
    #[arg(value_parser = PossibleValuesParser::new(STEPS.map(|step| step.name)))]
    step: String,

    /// Play these moves, as in "1 2 s 3", and print the last screen; `--moves help` lists them
    #[arg(long, value_name = "MOVES")]
    moves: Option<String>,

    /// Ask before each answer which worker takes the job
    #[arg(long, conflicts_with = "moves")]
    quiz: bool,

    /// Draw with nothing but ASCII
    #[arg(long)]
    ascii: bool,
}

/// Plays with keys, or the moves that are given.
///
/// # Errors
///
/// If a move is not possible, or there is no terminal.
pub fn play(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let step = Step::named(&flags.step).expect("the parser has checked it");
    let Some(moves) = &flags.moves else {
        if !stdin().is_terminal() || !stdout().is_terminal() {
            return Err(
                refusal("no terminal: `--moves \"1 2 s 3\"` prints the last screen").into(),
            );
        }
        #[cfg(feature = "keys")]
        return terminal::play(&step, flags.ascii, flags.quiz);
        #[cfg(not(feature = "keys"))]
        return Err("built without the feature `keys`".into());
    };
    if moves == "help" {
        say(moves::HELP);
        return Ok(());
    }
    let screen = last_screen(&step, moves, flags.ascii, PATIENCE).map_err(refusal)?;
    say(screen.trim_end());
    Ok(())
}

/// The screen after these moves; its colours are escape sequences.
///
/// # Errors
///
/// If a move is not possible.
pub fn last_screen(
    step: &Step,
    moves: &str,
    ascii: bool,
    patience: Duration,
) -> Result<String, String> {
    let mut game = Game::new(step, patience);
    for word in moves.split_whitespace() {
        game = game.play(word)?;
    }
    Ok(screen::draw(&game, WIDTH, ascii).concat())
}

//! `cargo xtask play`: the reader decides what happens next, and the step's own pool decides what follows.
//!
//! A move is a moment of simulated time. Each screen is a new run of the step's pool, in which jobs come and end at the
//! moments of the moves; shown is what the pool had done by the last move.

mod moves;
mod screen;
mod view;

use std::error::Error;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use xtask::output::{refusal, say};
use xtask::steps::STEPS;

use crate::harness::PATIENCE;
use crate::steps::Step;
use moves::Game;

/// Which pool to play, and the moves.
#[derive(clap::Args, Debug)]
pub struct Flags {
    /// Which step
    #[arg(value_parser = PossibleValuesParser::new(STEPS.map(|step| step.name)))]
    step: String,

    /// The moves, as in "1 2 s 3"; `cargo xtask play STEP --moves help` lists them
    #[arg(long, value_name = "MOVES")]
    moves: Option<String>,

    /// Draw with nothing but ASCII
    #[arg(long)]
    ascii: bool,
}

/// Plays the moves, and prints the last screen.
///
/// # Errors
///
/// If a move is not possible.
pub fn play(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let Some(moves) = &flags.moves else {
        return Err(
            refusal("which moves? Try --moves \"1 2 s 3\"; `--moves help` lists them").into(),
        );
    };
    if moves == "help" {
        say(moves::HELP);
        return Ok(());
    }
    let step = Step::named(&flags.step).expect("the parser has checked it");
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
        game.play(word)?;
    }
    Ok(screen::draw(&game, ascii))
}

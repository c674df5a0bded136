//! A very busy machine, and a pool that is hardly used.

use std::hint::spin_loop;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use lab::script::Script;

use crate::harness::{play, step};
use crate::progress::progress;
use crate::report::{Figure, Table};
use crate::trial::{Candidate, Trial};

/// The cost of a task in `dispatcher` alone, and beside a busy loop for each core.
pub fn busy(rounds: usize, jobs: usize) -> Table {
    let dispatcher = Candidate::step(step("dispatcher"));
    let mut figures = [2, 8].map(|workers| (workers, Figure::default(), Figure::default()));
    for round in 1..=rounds {
        progress(format_args!("beside busy loops, round {round}"));
        for (workers, alone, beside) in &mut figures {
            let measure = || dispatcher.measure(Trial::new(*workers, jobs, [0.0; 2]));
            alone.rounds.push(measure());
            beside.rounds.push(beside_busy_loops(measure));
        }
    }
    let title = "dispatcher beside a busy loop for each core, trivial jobs";
    let mut table = Table::new(title, ["alone, ns", "beside, ns", "ratio"]);
    for (workers, alone, beside) in figures {
        let ratio = beside.over(&alone).at_most(2.0);
        table.row(format_args!("{workers} workers"), [alone, beside, ratio]);
    }
    table
}

fn beside_busy_loops<T>(run: impl FnOnce() -> T) -> T {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    thread::scope(|scope| {
        let lifetime = Arc::new(()); // dropped even by a panic in `run`
        for _ in 0..cores {
            let lifetime = Arc::downgrade(&lifetime);
            scope.spawn(move || {
                while lifetime.strong_count() > 0 {
                    spin_loop();
                }
            });
        }
        run()
    })
}

/// The article's first scenario: 3 workers and 5 jobs of a second, so 2 seconds at best.
pub fn first_scenario() -> Table {
    progress("start-up");
    let start = Instant::now();
    let work = |_| thread::sleep(Duration::from_secs(1));
    play(step("basic"), Script::PLAIN, 5, work);
    let ms = start.elapsed().as_secs_f64() * 1e3;
    let title = "the article's first scenario, from start to end";
    let mut table = Table::new(title, ["ms", "over its 2 s"]);
    table.row("basic", [ms.into(), Figure::from(ms / 2e3).at_most(1.01)]);
    table
}

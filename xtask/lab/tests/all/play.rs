//! What `cargo xtask play` shows after a list of moves.

use std::io;
use std::num::NonZeroUsize;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anstream::adapter::strip_str;
use lab::harness::PATIENCE;
use lab::play::last_screen;
use lab::pools::{self, Adapter, Event, Threads};
use lab::script::Script;
use lab::steps::{STEPS, Step};

/// The last screen, without colours.
fn screen(step: &str, moves: &str) -> String {
    let step = Step::named(step).expect("it is a step");
    let drawn = last_screen(&step, moves, false, PATIENCE).expect("the moves are possible");
    strip_str(&drawn).to_string()
}

/// The story and what is wrong, in one line.
fn story(screen: &str) -> String {
    let (_, story) = screen.trim_end().rsplit_once("\n\n").expect("a story");
    story.replace('\n', " ")
}

#[test]
fn step_1_who_is_free_first_takes_the_next_job() {
    insta::assert_snapshot!(screen("basic", "2 1 s 3"), @"
    basic: a fixed pool on one shared channel
    3 workers, room for 3 jobs in the queue
    moves: 2 1 s 3

       worker 1 │ ▐█████ 5 █████▌
       worker 2 │ ▐█████ 4 █████▌
    ▲  worker 3 │ ▐█████ 6 █████▌
    ▲     queue │ 0 of 3: -
      submitter │ -
    ▲   results │ 2, 1, 3

    job 3 ends; worker 3 is free first: it takes job 6.
    ");
}

#[test]
fn step_2_the_results_end_when_the_last_worker_has_ended() {
    insta::assert_snapshot!(screen("waitgroup", "c 1 2 3 4"), @"
    waitgroup: knowing when the work is done
    3 workers, room for 3 jobs in the queue
    moves: c 1 2 3 4

    ▲  worker 1 │ has ended
       worker 2 │ ▐█████ 5 █████▌
       worker 3 │ has ended
          queue │ 0 of 3, closed: -
      submitter │ -
    ▲   results │ 1, 2, 3, 4

    job 4 ends; nothing for worker 1 to start any more: it ends.
    ");
    insta::assert_snapshot!(screen("waitgroup", "c 1 2 3 4 5"), @"
    waitgroup: knowing when the work is done
    3 workers, room for 3 jobs in the queue
    moves: c 1 2 3 4 5

       worker 1 │ has ended
    ▲  worker 2 │ has ended
       worker 3 │ has ended
          queue │ 0 of 3, closed: -
      submitter │ -
    ▲   results │ 1, 2, 3, 4, 5, end

    job 5 ends; the last worker has ended: so the results end.
    ");
}

#[test]
fn step_3_a_reply_that_is_lost_is_told() {
    insta::assert_snapshot!(screen("job-struct", "2 p1"), @"
    job-struct: typed jobs that carry their own reply
    3 workers, room for 3 jobs in the queue
    moves: 2 p1

    ▲  worker 1 │ has ended
       worker 2 │ ▐█████ 4 █████▌
       worker 3 │ ▐█████ 3 █████▌
          queue │ 1 of 3: 5
      submitter │ -
    ▲   results │ 1 lost, 2

    job 1 panics, and ends worker 1; its reply is lost, and who waits for it is
    told.
    ");
}

#[test]
fn step_4_a_job_that_comes_together_with_the_cancel_goes_back() {
    insta::assert_snapshot!(screen("cancellation", "1 2 3 s+c"), @"
    cancellation: stopping early and losing nothing
    3 workers, room for 3 jobs in the queue
    moves: 1 2 3 s+c

       worker 1 │ ▐█████ 4 █████▌
       worker 2 │ ▐█████ 5 █████▌
    ▲  worker 3 │ has ended
    ▲     queue │ 0 of 3, closed: -
    ▲ submitter │ waits for room with 6
        results │ 1, 2, 3
    ▲  reported │ worker 3 ended
           back │ -

    cancelled: 2 jobs in flight go on, 1 goes back; worker 3 has ended.
    ");
    insta::assert_snapshot!(screen("cancellation", "1 2 3 s+c 4 5"), @"
    cancellation: stopping early and losing nothing
    3 workers, room for 3 jobs in the queue
    moves: 1 2 3 s+c 4 5

       worker 1 │ has ended
    ▲  worker 2 │ has ended
       worker 3 │ has ended
          queue │ 0 of 3, closed: -
    ▲ submitter │ -
    ▲   results │ 1, 2, 3, 4, 5, end
    ▲  reported │ worker 3 ended, worker 1 ended, worker 2 ended
    ▲      back │ 6

    job 5 ends; job 6 goes back to the caller; the last worker has ended: so the
    results end.
    ");
    insta::assert_snapshot!(story(&screen("cancellation", "1+c")), @"job 1 ends; cancelled: 2 jobs in flight go on, 2 go back; nothing for worker 1 to start any more: it ends.");
    insta::assert_snapshot!(story(&screen("cancellation", "t")), @"it is 5 s; cancelled: 3 jobs in flight go on, 2 go back.");
}

#[test]
fn step_5_the_longest_free_worker_takes_the_next_job() {
    insta::assert_snapshot!(screen("dispatcher", "3 2 5 1 4 s"), @"
    dispatcher: a pool you can hold: submit, dispatch, stop
    3 workers, room for 3 jobs in the queue
    moves: 3 2 5 1 4 s

       worker 1 │ free
    ▲  worker 2 │ ▐█████ 6 █████▌
       worker 3 │ free
          queue │ 0 of 3: -
      submitter │ -
        results │ 3, 2, 5, 1, 4
       reported │ -

    worker 2 is free longest: it takes job 6.
    ");
}

#[test]
fn step_5_a_submitter_waits_for_room() {
    insta::assert_snapshot!(screen("dispatcher", "s s s"), @"
    dispatcher: a pool you can hold: submit, dispatch, stop
    3 workers, room for 3 jobs in the queue
    moves: s s s

       worker 1 │ ▐█████ 1 █████▌
       worker 2 │ ▐█████ 2 █████▌
       worker 3 │ ▐█████ 3 █████▌
          queue │ 3 of 3: 4 5 6
    ▲ submitter │ waits for room with 7 8
        results │ -
       reported │ -

    the queue is full: the submitter waits with job 8.
    ");
    insta::assert_snapshot!(story(&screen("dispatcher", "s s s 2")), @"job 2 ends; worker 2 is free first: it takes job 4; room in the queue: job 7 gets it.");
    insta::assert_snapshot!(story(&screen("dispatcher", "s s s c")), @"stopped: 3 jobs in flight go on, and 5 that wait are still done.");
}

#[test]
fn step_6_a_panic_takes_nothing_along() {
    insta::assert_snapshot!(screen("errors", "p2 f1"), @"
    errors: failure is a value; a panic is contained
    3 workers, room for 3 jobs in the queue
    moves: p2 f1

    ▲  worker 1 │ ▐█████ 5 █████▌
       worker 2 │ ▐█████ 4 █████▌
       worker 3 │ ▐█████ 3 █████▌
    ▲     queue │ 0 of 3: -
      submitter │ -
    ▲   results │ 2 panicked, 1 failed

    job 1 ends with an error; worker 1 is free first: it takes job 5.
    ");
}

#[test]
fn step_7_a_burst_may_start_after_idle_time() {
    insta::assert_snapshot!(story(&screen("rate-limited", "t")), @"it is 0.5 s; the limiter lets job 1 start, on worker 1; room in the queue: job 5 gets it.");
    insta::assert_snapshot!(screen("rate-limited", "t t t 1 2 3 t t 4 5 t t t b"), @"
    rate-limited: no faster than the downstream allows
    3 workers, room for 3 jobs in the queue, a start each 0.5 s, burst 3
    moves: t t t 1 2 3 t t 4 5 t t t b

    ▲  worker 1 │ ▐█████ 7 █████▌
    ▲  worker 2 │ ▐█████ 8 █████▌
    ▲  worker 3 │ ▐█████ 6 █████▌
    ▲     queue │ 1 of 3: 10
    ▲   limiter │ 9 is next
      submitter │ -
        results │ 1, 2, 3, 4, 5
           back │ -

    the limiter lets job 6 start, on worker 3; the limiter lets job 7 start, on
    worker 1; the limiter lets job 8 start, on worker 2; job 9 waits for the
    limiter; job 10 waits in the queue.
    ");
    insta::assert_snapshot!(story(&screen("rate-limited", "t t c")), @"cancelled: 2 jobs in flight go on, 3 go back.");
}

#[test]
fn step_8_a_retirement_is_taken_back() {
    let moves = "b t 1 2 3 4 t b b t";
    for (until, expected) in [(3, "adds 4 workers"), (14, "3 workers are to retire")] {
        let story = story(&screen("dynamic", &moves[..until]));
        assert!(story.contains(expected), "{story}");
    }
    let taken_back = story(&screen("dynamic", &format!("{moves} 5")));
    insta::assert_snapshot!(taken_back, @"job 5 ends; worker 5 is free first: it takes job 11.");
    insta::assert_snapshot!(screen("dynamic", moves), @"
    dynamic: as many workers as the load asks for
    2 workers, room for 10 jobs in the queue, at most 6 workers, a look each 2 s
    moves: b t 1 2 3 4 t b b t

       worker 1 │ ▐█████ 7 █████▌
       worker 2 │ ▐█████ 8 █████▌
       worker 3 │ ▐█████ 9 █████▌
       worker 4 │ ▐█████ 10 █████▌
       worker 5 │ ▐█████ 5 █████▌
       worker 6 │ ▐█████ 6 █████▌
          queue │ 10 of 10: 11 12 13 14 15 16 17 18 19 20
      submitter │ -
        results │ 1, 2, 3, 4
    ▲  reported │ 4 more workers, 3 fewer workers, 3 more workers

    it is 6 s; many jobs wait: the scaler wants 3 more, and takes back 3
    retirements.
    ");
}

#[test]
fn the_last_panic_of_step_1_takes_the_queue_along() {
    insta::assert_snapshot!(story(&screen("basic", "p1 p2 p3")), @"job 3 panics, and ends worker 3. Wrong: every worker has ended: nobody takes jobs 4 5.");
}

#[test]
fn the_same_moves_give_the_same_screen() {
    for step in STEPS {
        let moves = match step.name {
            "rate-limited" => "t 1 t s 2 b t",
            "dynamic" => "b t 2 1 s f3 t",
            _ => "3 1 s 2 b 4",
        };
        let first = screen(step.name, moves);
        for _ in 0..2 {
            assert_eq!(screen(step.name, moves), first);
        }
    }
}

/// Runs `cargo xtask play`.
fn play(arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_lab"));
    program
        .arg("play")
        .args(arguments)
        .env_remove("CLICOLOR_FORCE");
    program.output().expect("the program can be started")
}

#[test]
fn the_last_screen_is_printed() {
    let output = play(&["basic", "--moves", "1 2 s 3"]);
    assert!(output.status.success());
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed, screen("basic", "1 2 s 3"));

    let output = play(&["basic", "--ascii", "--moves", "1 2 s 3"]);
    assert!(output.status.success() && output.stdout.is_ascii());
}

#[test]
fn the_readme_shows_what_is_printed() {
    let printed = screen("dispatcher", "3 2 5 1 4 s");
    assert!(
        include_str!("../../README.md").contains(&printed),
        "{printed}"
    );
}

#[test]
fn moves_are_needed_and_listed() {
    let output = play(&["basic"]);
    assert_eq!(output.status.code(), Some(2));
    let printed = String::from_utf8_lossy(&output.stderr);
    assert_eq!(printed.lines().count(), 1, "{printed}");

    let output = play(&["basic", "--moves", "help"]);
    assert!(output.status.success() && output.stdout.starts_with(b"Moves"));
}

#[test]
fn an_impossible_move_is_one_line_and_exit_code_2() {
    for (step, moves, message) in [
        ("basic", "9", "9: job 9 is not in flight; in flight: 1-3"),
        ("basic", "1 1", "1: job 1 is not in flight; in flight: 2-4"),
        ("basic", "x", "\"x\" is no move: `--moves help` lists them"),
        (
            "basic",
            "1+t",
            "\"t\" is no move: `--moves help` lists them",
        ),
        ("basic", "1+1", "1: twice in one move"),
        ("basic", "t", "t: no timer is due"),
        ("basic", &"b ".repeat(20), "b: 99 jobs are the most"),
        ("dispatcher", "c s", "s: no more jobs come"),
        ("cancellation", "t t", "t: no timer is due"),
    ] {
        let output = play(&[step, "--moves", moves]);
        assert_eq!(output.status.code(), Some(2), "{step} {moves}");
        let printed = String::from_utf8_lossy(&output.stderr);
        assert_eq!(printed, format!("error: {message}\n"), "{step} {moves}");
    }
}

/// `play` with keys, in a terminal of tmux, where that is installed.
#[cfg(feature = "keys")]
mod keys {
    use std::fs;
    use std::process::Command;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::screen;

    /// A terminal of 80 x 24, with a server of tmux of its own.
    struct Terminal(String);

    impl Terminal {
        /// Runs the program there, then says how it ended and what the terminal is set to; none without tmux.
        fn play(name: &str, arguments: &str) -> Option<Self> {
            Command::new("tmux").arg("-V").output().ok()?;
            let terminal = Self(format!("play-{name}-{}", std::process::id()));
            let program = env!("CARGO_BIN_EXE_lab");
            let id = terminal.id_file();
            // Double quotes: the paths may contain spaces.
            let play = format!("sh -c 'echo $$ > \"{id}\"; exec \"{program}\" play {arguments}'");
            let script = format!("{play}; echo ended $?; stty -a; cat");
            terminal.tmux(&[
                "-f",
                "/dev/null",
                "new-session",
                "-d",
                "-x",
                "80",
                "-y",
                "24",
                &script,
            ]);
            Some(terminal)
        }

        fn id_file(&self) -> String {
            format!("{}/{}", env!("CARGO_TARGET_TMPDIR"), self.0)
        }

        fn tmux(&self, arguments: &[&str]) -> String {
            let mut tmux = Command::new("tmux");
            let output = tmux.args(["-L", &self.0]).args(arguments).output();
            let output = output.expect("tmux can be started");
            String::from_utf8_lossy(&output.stdout).into_owned()
        }

        fn press(&self, key: &str) {
            self.tmux(&["send-keys", key]);
        }

        /// Waits until the terminal shows this.
        fn wait_for(&self, text: &str) -> String {
            let begin = Instant::now();
            loop {
                let shown = self.tmux(&["capture-pane", "-p"]);
                if shown.contains(text) {
                    return shown;
                }
                assert!(
                    begin.elapsed() < Duration::from_secs(60),
                    "no {text:?}: {shown}"
                );
                thread::sleep(Duration::from_millis(20));
            }
        }

        /// Waits until the program has ended in this way, and the terminal is as it was.
        fn wait_for_end(&self, code: u8) {
            let shown = self.wait_for(" icanon");
            assert!(shown.contains(&format!("ended {code}\n")), "{shown}");
            assert!(
                !shown.contains("-icanon") && !shown.contains("worker 1"),
                "{shown}"
            );
            assert_eq!(
                self.tmux(&["display-message", "-p", "#{alternate_on}"]),
                "0\n"
            );
        }
    }

    impl Drop for Terminal {
        fn drop(&mut self) {
            self.tmux(&["kill-server"]);
        }
    }

    #[test]
    fn keys_make_moves_and_take_them_back() {
        let Some(terminal) = Terminal::play("moves", "basic") else {
            return;
        };
        terminal.wait_for("moves:\n");
        terminal.press("1");
        let shown = terminal.wait_for("moves: 1\n");
        assert!(shown.starts_with(&screen("basic", "1")), "{shown}");
        terminal.press("s");
        terminal.wait_for("moves: 1 s\n");
        terminal.press("u");
        terminal.wait_for("moves: 1\n");
        terminal.press("9");
        terminal.wait_for("> 9: job 9 is not in flight; in flight: 2-4\n");
        terminal.press("f");
        terminal.press("2");
        terminal.wait_for("moves: 1 f2\n");
        terminal.press("?");
        terminal.wait_for("one move back");
        terminal.press("x");
        terminal.wait_for("moves: 1 f2\n");
        terminal.tmux(&["resize-window", "-x", "60", "-y", "20"]);
        terminal.wait_for("60 x 20 is too small: 80 x 24 is needed");
        terminal.tmux(&["resize-window", "-x", "80", "-y", "24"]);
        terminal.wait_for("moves: 1 f2\n");
        terminal.press("Space");
        terminal.wait_for("moves: 1 f2 3 4 5\n");
        terminal.press("q");
        terminal.wait_for_end(0);
    }

    #[test]
    fn a_quiz_asks_and_counts() {
        let Some(terminal) = Terminal::play("quiz", "basic --quiz") else {
            return;
        };
        terminal.wait_for("moves:\n");
        terminal.press("2");
        terminal.wait_for("> 2: which worker takes job 4? Type its number\n");
        terminal.press("2");
        terminal.wait_for("> right: worker 2 takes job 4. 1 of 1 are right\n");
        terminal.press("1");
        terminal.wait_for("which worker takes job 5?");
        terminal.press("3");
        terminal.wait_for("> not this time: worker 1 takes job 5. 1 of 2 are right\n");
    }

    #[test]
    fn the_terminal_is_restored_however_it_ends() {
        let Some(terminal) = Terminal::play("interrupt", "basic") else {
            return;
        };
        terminal.wait_for("moves:\n");
        terminal.press("C-c");
        terminal.wait_for_end(130);

        let terminal = Terminal::play("terminate", "basic").expect("there is tmux");
        terminal.wait_for("moves:\n");
        let id = fs::read_to_string(terminal.id_file()).expect("it was written");
        let killed = Command::new("kill").args(["-TERM", id.trim()]).status();
        assert!(killed.is_ok_and(|status| status.success()));
        terminal.wait_for_end(130);
    }
}

// Broken pools, each played as `basic`.

type Pool = fn(&Script, usize, Arc<dyn Threads>) -> io::Result<()>;

fn story_as_basic(moves: &str, pool: Pool) -> String {
    let mut basic = Step::named("basic").expect("it is a step");
    basic.adapter = Adapter::Threads(pool);
    let patience = Duration::from_millis(150); // for pools that are stuck for ever
    let drawn = last_screen(&basic, moves, false, patience).expect("the moves are possible");
    story(&strip_str(&drawn).to_string())
}

/// Workers that take jobs from a list, and stop after one that `is_last`.
fn small_pool(
    script: &Script,
    jobs: usize,
    harness: Arc<dyn Threads>,
    is_last: fn(usize) -> bool,
    is_read: bool,
) -> io::Result<()> {
    let jobs = Mutex::new(1..=jobs);
    let take = || jobs.lock().expect("no panic").next();
    let next = || {
        let job = take()?;
        harness.record(Event::Submitted { job });
        Some(job)
    };
    thread::scope(|scope| {
        for worker in 1..=script.workers.get() {
            let (harness, next) = (&harness, &next);
            let work = move || {
                while let Some(job) = next() {
                    let outcome = harness.work(worker, job);
                    if !is_read {
                        thread::park();
                    }
                    harness.record(Event::Result { job, outcome });
                    if is_last(job) {
                        return;
                    }
                }
            };
            let thread = thread::Builder::new().name(format!("worker {worker}"));
            thread.spawn_scoped(scope, work).expect("a thread starts");
        }
    });
    Ok(())
}

#[test]
fn a_state_that_is_a_mistake_is_said_in_words() {
    let two_workers: Pool = |script, jobs, harness| {
        let mut script = script.clone();
        script.workers = NonZeroUsize::new(2).expect("2 is not 0");
        pools::basic(&script, jobs, harness)
    };
    let unread: Pool = |script, jobs, harness| small_pool(script, jobs, harness, |_| false, false);
    let lazy: Pool =
        |script, jobs, harness| small_pool(script, jobs, harness, |job| job == 2, true);
    insta::assert_snapshot!(story_as_basic("", two_workers), @"worker 1 takes job 1; worker 2 takes job 2; no worker is free: jobs 3-5 wait in the queue. Wrong: worker 3 is free and job 3 waits: nobody takes it.");
    insta::assert_snapshot!(story_as_basic("1", unread), @"job 1 ends. Wrong: worker 1 has ended job 1, and nobody reads its result.");
    insta::assert_snapshot!(story_as_basic("1 2 3", unread), @"job 3 ends. Wrong: every worker waits for a result to be read; nobody reads.");
    insta::assert_snapshot!(story_as_basic("1 2", lazy), @"job 2 ends. Wrong: worker 2 is free and job 5 waits: nobody takes it.");
}

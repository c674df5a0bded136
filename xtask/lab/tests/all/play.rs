//! What `cargo xtask play` shows after a list of moves.

use std::io;
use std::num::NonZeroUsize;
use std::process::{Command, Output};
use std::sync::Arc;
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

/// The sentence below the rows, and what is wrong.
fn sentence(screen: &str) -> String {
    let (_, sentence) = screen.trim_end().rsplit_once("\n\n").expect("a sentence");
    sentence.replace('\n', " ")
}

#[test]
fn each_step_shows_its_idea() {
    for (step, moves) in [
        ("basic", "2 1 s 3"), // the worker that was free first takes the next job
        ("waitgroup", "c 1 2 3 4 5"), // the results end when the last worker has ended
        ("job-struct", "2 p1"), // a reply is lost
        ("cancellation", "1 2 3 s+c 4 5"), // a job comes together with the cancel, and goes back
        ("dispatcher", "3 2 5 1 4 s"), // the worker that was free longest takes the next job
        ("errors", "f1 p2"),  // a panic takes nothing along
        ("rate-limited", "t t t 1 2 3 t t 4 5 t t t b"), // a burst may start after idle time
        ("dynamic", "b t 1 2 3 4 t b b t"), // retirements are taken back
    ] {
        insta::assert_snapshot!(format!("play_{step}"), screen(step, moves));
    }
}

#[test]
fn a_sentence_says_what_the_pool_did_and_why() {
    let mut all = String::new();
    for (step, moves) in [
        ("basic", ""),
        ("basic", "p1 p2 p3"),
        ("waitgroup", "c 1 2 3 4"),
        ("job-struct", "2"),
        ("cancellation", "1 2 3 s+c"),
        ("cancellation", "1+c"),
        ("cancellation", "t"),
        ("dispatcher", "s s s"),
        ("dispatcher", "s s s 2"),
        ("dispatcher", "s s s c"),
        ("errors", "f1"),
        ("rate-limited", "t"),
        ("rate-limited", "t t c"),
        ("rate-limited", "s+s s+c"),
        ("dynamic", "b t"),
        ("dynamic", "b t 1 2 3 4 t"),
        ("dynamic", "b t 1 2 3 4 t b b t 5"),
        ("dynamic", "p1"),
    ] {
        let sentence = sentence(&screen(step, moves));
        all += &format!("{step} {moves}: {sentence}\n");
    }
    insta::assert_snapshot!(all, @"
    basic : worker 1 is free: it takes job 1; worker 2 is free: it takes job 2; worker 3 is free: it takes job 3; no worker is free for jobs 4 5.
    basic p1 p2 p3: nothing else changes. Wrong: every worker has ended, with jobs 4 5 still to do.
    waitgroup c 1 2 3 4: nothing else changes.
    job-struct 2: worker 2 was free first: it takes job 4.
    cancellation 1 2 3 s+c: cancelled: 2 jobs in flight go on, 1 goes back.
    cancellation 1+c: cancelled: 2 jobs in flight go on, 2 go back.
    cancellation t: it is 5 s; cancelled: 3 jobs in flight go on, 2 go back.
    dispatcher s s s: the queue is full: the submitter waits with job 8.
    dispatcher s s s 2: worker 2 was free first: it takes job 4.
    dispatcher s s s c: stopped: 3 jobs in flight go on, 5 that wait are still done.
    errors f1: worker 1 was free first: it takes job 4.
    rate-limited t: it is 0.5 s; worker 1 may start a job: it takes job 1.
    rate-limited t t c: cancelled: 2 jobs in flight go on, 3 go back.
    rate-limited s+s s+c: cancelled: 0 jobs in flight go on, 5 go back; the last worker has ended: the results end.
    dynamic b t: it is 2 s; jobs wait: the scaler adds 4 workers; worker 3 is new: it takes job 3; worker 4 is new: it takes job 4; worker 5 is new: it takes job 5; worker 6 is new: it takes job 6.
    dynamic b t 1 2 3 4 t: it is 4 s; no job waits: the scaler retires 3 workers, the next that are free.
    dynamic b t 1 2 3 4 t b b t 5: worker 5 was free first: it takes job 11.
    dynamic p1: worker 3 is new: it takes job 3.
    ");
}

#[test]
fn the_same_moves_give_the_same_screen_and_long_rows_keep_their_end() {
    for step in STEPS {
        let moves = match step.name {
            "rate-limited" => "t 1 t s 2 b t",
            "dynamic" => "b t 2 1 s f3 p4 t",
            _ => "3 1 s 2 b 4",
        };
        assert_eq!(screen(step.name, moves), screen(step.name, moves));
    }
    let screen = screen("errors", "b p1+p2+p3 p4+p5+p6");
    assert!(
        screen.contains("..cked, 2 panicked, 3 panicked, 4 panicked, 5 panicked, 6 panicked\n"),
        "{screen}"
    );
    assert!(
        screen.lines().all(|line| line.chars().count() <= 80),
        "{screen}"
    );
}

/// Runs `cargo xtask play`, whose standard error is given, too.
fn play(arguments: &[&str]) -> (Output, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_lab"));
    let program = program
        .arg("play")
        .args(arguments)
        .env_remove("CLICOLOR_FORCE");
    let output = program.output().expect("the program can be started");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, error)
}

#[test]
fn the_last_screen_and_the_moves_are_printed() {
    let (output, _) = play(&["basic", "--moves", "1 2 s 3"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        screen("basic", "1 2 s 3")
    );
    let (output, _) = play(&["basic", "--ascii", "--moves", "1 2 s 3"]);
    assert!(output.status.success() && output.stdout.is_ascii());
    let (output, _) = play(&["basic", "--moves", "help"]);
    assert!(output.status.success() && output.stdout.starts_with(b"Moves"));
    let (output, error) = play(&["basic"]);
    assert_eq!(
        (output.status.code(), error.lines().count()),
        (Some(2), 1),
        "{error}"
    );
}

#[test]
fn an_impossible_move_is_one_line_and_exit_code_2() {
    for (step, moves, message) in [
        ("basic", "9", "9: not in flight; in flight: 1-3"),
        ("basic", "1 1", "1: not in flight; in flight: 2-4"),
        ("basic", "x", "x: no such move; `--moves help` lists them"),
        ("basic", "1+t", "t: no such move; `--moves help` lists them"),
        ("basic", "+", ": no such move; `--moves help` lists them"),
        ("basic", "t", "t: no timer is due"),
        ("basic", &("b+".repeat(19) + "b"), "b: 99 jobs are the most"),
        ("dispatcher", "c s", "s: no more jobs come"),
        ("cancellation", "t t", "t: no timer is due"),
    ] {
        let (output, error) = play(&[step, "--moves", moves]);
        assert_eq!(output.status.code(), Some(2), "{step} {moves}");
        assert_eq!(error, format!("error: {message}\n"), "{step} {moves}");
    }
}

// Broken pools, each played as `basic`.

type Pool = fn(&Script, usize, Arc<dyn Threads>) -> io::Result<()>;

fn sentence_of(pool: Pool, moves: &str) -> String {
    let mut basic = Step::named("basic").expect("it is a step");
    basic.adapter = Adapter::Threads(pool);
    let patience = Duration::from_millis(150); // for pools that are stuck for ever
    let drawn = last_screen(&basic, moves, false, patience).expect("the moves are possible");
    sentence(&strip_str(&drawn).to_string())
}

#[test]
fn a_state_that_is_a_mistake_is_said_in_words() {
    let two_workers: Pool = |script, jobs, harness| {
        let workers = NonZeroUsize::new(2).expect("2 is not 0");
        let script = Script {
            workers,
            ..script.clone()
        };
        pools::basic(&script, jobs, harness)
    };
    let unread: Pool = |script, _, harness| {
        thread::scope(|scope| {
            for worker in 1..=script.workers.get() {
                let harness = &harness;
                let work = move || {
                    harness.record(Event::Submitted { job: worker });
                    harness.work(worker, worker);
                    thread::park(); // for ever
                };
                let thread = thread::Builder::new().name(format!("worker {worker}"));
                thread.spawn_scoped(scope, work).expect("a thread starts");
            }
        });
        Ok(())
    };
    insta::assert_snapshot!(sentence_of(two_workers, ""), @"worker 1 is free: it takes job 1; worker 2 is free: it takes job 2; no worker is free for jobs 3-5. Wrong: worker 3 is free, and job 3 waits.");
    insta::assert_snapshot!(sentence_of(unread, "1"), @"nothing else changes. Wrong: job 1 has ended, and its result is not read.");
    insta::assert_snapshot!(sentence_of(unread, "1 2 3"), @"nothing else changes. Wrong: every worker waits for a result to be read, and no result is read.");
}

/// `play` with keys, in a terminal of tmux, where that is installed.
#[cfg(feature = "keys")]
mod keys {
    use std::process::Command;
    use std::time::{Duration, Instant};
    use std::{env, fs, thread};

    use lab::play::terminal::on_screen;

    use super::screen;

    /// A terminal of 80 x 24, with a server of tmux of its own.
    struct Terminal(String);

    impl Terminal {
        /// Runs `play` there; `None` without tmux.
        fn play(name: &str, arguments: &str) -> Option<Self> {
            let program = env!("CARGO_BIN_EXE_lab");
            Self::run(name, &format!("\"{program}\" play {arguments}"))
        }

        /// Runs a program there, then says how it ended and what the terminal is set to.
        fn run(name: &str, program: &str) -> Option<Self> {
            Command::new("tmux").arg("-V").output().ok()?;
            let terminal = Self(format!("play-{name}-{}", std::process::id()));
            let id = terminal.id_file(); // in double quotes: paths may contain spaces
            let run = format!("sh -c 'echo $$ > \"{id}\"; exec env -u NO_COLOR {program}'");
            let script = format!("{run}; echo ended $?; stty -a; cat");
            let size = ["-x", "80", "-y", "24"];
            let start = ["-f", "/dev/null", "new-session", "-d"];
            terminal.tmux(&[&start[..], &size, &[&script]].concat());
            Some(terminal)
        }

        fn id_file(&self) -> String {
            format!("{}/{}", env!("CARGO_TARGET_TMPDIR"), self.0)
        }

        /// Sends the program a signal, or asks with signal 0 whether it is there.
        fn signal(&self, signal: &str) -> bool {
            let id = fs::read_to_string(self.id_file()).expect("it was written");
            let sent = Command::new("kill").args([signal, id.trim()]).output();
            sent.expect("kill can be started").status.success()
        }

        fn tmux(&self, arguments: &[&str]) -> String {
            let mut tmux = Command::new("tmux");
            let output = tmux.args(["-L", &self.0]).args(arguments).output();
            let output = output.expect("tmux can be started");
            String::from_utf8_lossy(&output.stdout).into_owned()
        }

        /// Presses keys, one after the other, each with what is shown then.
        fn press(&self, keys: &[(&str, &str)]) {
            for (key, shown) in keys {
                self.tmux(&["send-keys", key]);
                self.wait_for(shown);
            }
        }

        /// Waits until the terminal shows this.
        fn wait_for(&self, text: &str) -> String {
            let begin = Instant::now();
            loop {
                let shown = self.tmux(&["capture-pane", "-p", "-e"]);
                let plain = anstream::adapter::strip_str(&shown).to_string();
                if plain.contains(text) {
                    return shown;
                }
                let waited = begin.elapsed();
                assert!(waited < Duration::from_secs(60), "no {text:?}: {plain}");
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
            let alternate = self.tmux(&["display-message", "-p", "#{alternate_on}"]);
            assert_eq!(alternate, "0\n");
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
        terminal.press(&[("1", "moves: 1\n")]);
        let shown = terminal.wait_for(&screen("basic", "1"));
        assert!(shown.contains('\u{1b}'), "{shown}");
        terminal.press(&[
            ("s", "moves: 1 s\n"),
            ("u", "moves: 1\n"),
            ("9", "> 9: not in flight; in flight: 2-4\n"),
            ("f", "> f\n"),
            ("2", "moves: 1 f2\n"),
            ("?", "one move back"),
            ("x", "moves: 1 f2\n"),
        ]);
        terminal.tmux(&["resize-window", "-x", "60", "-y", "20"]);
        terminal.wait_for("60 x 20 is too small: 80 x 24 is needed");
        terminal.tmux(&["resize-window", "-x", "80", "-y", "24"]);
        terminal.press(&[
            ("Space", "moves: 1 f2 3 4 5 c\n"),
            ("u", "moves: 1 f2 3 4 5\n"),
        ]);
        terminal.tmux(&["send-keys", "q"]);
        terminal.wait_for_end(0);
    }

    #[test]
    fn a_quiz_asks_and_counts_without_colours_where_none_are_wanted() {
        let program = env!("CARGO_BIN_EXE_lab");
        let quiz = format!("NO_COLOR=1 \"{program}\" play basic --quiz");
        let Some(terminal) = Terminal::run("quiz", &quiz) else {
            return;
        };
        let shown = terminal.wait_for("moves:\n");
        assert!(!shown.contains('\u{1b}'), "{shown}");
        terminal.press(&[
            ("2", "> 2: which worker takes job 4? Type its number\n"),
            ("2", "> right: worker 2 takes job 4. 1 of 1 are right\n"),
            ("1", "which worker takes job 5?"),
            ("u", "> number: job ends"),
            ("1", "moves: 2\n"),
            (
                "3",
                "> not this time: worker 1 takes job 5. 1 of 2 are right\n",
            ),
        ]);
    }

    #[test]
    fn the_terminal_is_restored_however_it_ends() {
        if env::var_os("PANICS").is_some() {
            return on_screen(|| panic!("for the test")).expect("it panics");
        }
        let Some(terminal) = Terminal::play("interrupt", "basic") else {
            return;
        };
        terminal.wait_for("moves:\n");
        terminal.tmux(&["send-keys", "C-c"]);
        terminal.wait_for_end(130);

        let terminal = Terminal::play("terminate", "basic").expect("there is tmux");
        terminal.wait_for("moves:\n");
        assert!(terminal.signal("-TERM"));
        terminal.wait_for_end(130);

        let tests = env::current_exe().expect("it has a path");
        let this = "the_terminal_is_restored --nocapture";
        let panic = format!("PANICS=1 \"{}\" {this}", tests.display());
        let terminal = Terminal::run("panic", &panic).expect("there is tmux");
        terminal.wait_for("for the test");
        terminal.wait_for_end(101);

        let terminal = Terminal::play("closed", "basic").expect("there is tmux");
        terminal.wait_for("moves:\n");
        terminal.tmux(&["kill-server"]);
        let begin = Instant::now();
        while terminal.signal("-0") {
            assert!(begin.elapsed() < Duration::from_secs(60), "it goes on");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

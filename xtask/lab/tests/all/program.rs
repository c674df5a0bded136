//! The steps' programs, for tests of all of them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Deserializer, Value};
use xtask::cargo::{cargo, root};

/// The programs by name, built from the sources as they are now.
static PROGRAMS: LazyLock<BTreeMap<String, PathBuf>> = LazyLock::new(|| {
    // As `cargo test` in the workspace's folder has just built them.
    let mut build = cargo();
    build.args(["build", "--bins", "--tests", "--message-format=json"]);
    build.current_dir(root().expect("tests run in the workspace"));
    let output = build.stderr(Stdio::inherit()).output();
    let output = output.expect("there is a cargo");
    assert!(output.status.success(), "the steps can be built");

    let messages = Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let messages = messages.map(|message| message.expect("cargo prints JSON"));
    let programs = messages.filter(|message| message["profile"]["test"] == false);
    let programs = programs.filter_map(|message| {
        let name = message["target"]["name"].as_str()?.to_owned();
        Some((name, message["executable"].as_str()?.into()))
    });
    programs.collect()
});

/// The step's program.
pub fn program(name: &str) -> Command {
    Command::new(&PROGRAMS[name])
}

/// A program in the middle of its work.
pub struct Running {
    pub program: Child,
    stdout: BufReader<ChildStdout>,
    /// What it has printed.
    seen: String,
    /// Dropped when it has ended: in a minute at the latest, as it is killed then.
    _watched: Sender<()>,
}

impl Running {
    pub fn start(name: &str, flags: &str) -> Self {
        let mut program = program(name);
        program.args(flags.split(' '));
        program.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut program = program.spawn().expect("the program can be started");
        let stdout = BufReader::new(program.stdout.take().expect("stdout is piped"));
        let (watched, ended) = channel();
        let pid = program.id();
        thread::spawn(move || {
            let minute = Duration::from_secs(60);
            if ended.recv_timeout(minute) == Err(RecvTimeoutError::Timeout) {
                kill(pid, "KILL");
            }
        });
        Self {
            program,
            stdout,
            seen: String::new(),
            _watched: watched,
        }
    }

    /// Reads up to the line with this text, in large or small letters.
    pub fn wait_for(&mut self, text: &str) {
        loop {
            let mut line = String::new();
            let length = self.stdout.read_line(&mut line);
            let length = length.expect("programs print text");
            assert_ne!(length, 0, "no {text:?}: {}", self.seen);
            self.seen += &line;
            if line.to_lowercase().contains(&text.to_lowercase()) {
                return;
            }
        }
    }

    /// The exit status, and all that it has printed to each output.
    pub fn end(mut self) -> (ExitStatus, String, String) {
        let mut stderr = String::new();
        let mut errors = self.program.stderr.take().expect("stderr is piped");
        let read = self.stdout.read_to_string(&mut self.seen);
        let read = read.and_then(|_| errors.read_to_string(&mut stderr));
        read.expect("programs print text");
        let status = self.program.wait().expect("it was started");
        (status, self.seen, stderr)
    }
}

pub fn kill(pid: u32, signal: &str) {
    let command = format!("kill -{signal} {pid}");
    let status = Command::new("sh").arg("-c").arg(command).status();
    assert!(status.expect("there is a shell").success());
}

//! The cargo that runs this program, for programs of other packages of the workspace.

use std::env;
use std::error::Error;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// Cargo. It finds the workspace from the current folder, as it did when it ran this program.
pub fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or("cargo".into()))
}

/// The folder of the workspace.
///
/// # Errors
///
/// If the current folder is in none.
pub fn root() -> io::Result<PathBuf> {
    let mut locate = cargo();
    locate.args(["locate-project", "--workspace", "--message-format=plain"]);
    let output = locate.output()?;
    let manifest = String::from_utf8_lossy(&output.stdout);
    let folder = Path::new(manifest.trim_end()).parent();
    let folder = folder.filter(|_| output.status.success());
    let missing = || io::Error::other("the current folder is in no workspace");
    folder.map(PathBuf::from).ok_or_else(missing)
}

/// The text with this key in a message of `cargo build --message-format=json`, if it has one; of several, the first.
pub fn text(message: &str, key: &str) -> Option<String> {
    let (_, rest) = message.split_once(&format!("\"{key}\":\""))?;
    let (mut text, mut rest) = (String::new(), rest.chars());
    loop {
        match rest.next()? {
            '"' => return Some(text),
            '\\' => text.push(rest.next()?), // names and paths have quotes and backslashes at most
            other => text.push(other),
        }
    }
}

/// Builds the program that `cargo run` with these flags would run. On a terminal, cargo says meanwhile what it
/// builds, and whether it waits for another cargo. If there is nothing to build, it says nothing.
///
/// # Errors
///
/// If there is no cargo, or the program cannot be built; cargo has said why.
pub fn program(flags: &str) -> io::Result<Command> {
    let mut build = cargo();
    build.args(["build", "--message-format=json-render-diagnostics"]);
    build.args(flags.split(' ')).stdout(Stdio::piped());
    if io::stderr().is_terminal() {
        build.stderr(Stdio::piped());
        if env::var_os("CARGO_TERM_COLOR").is_none() && env::var_os("NO_COLOR").is_none() {
            build.env("CARGO_TERM_COLOR", "always"); // what it prints into a pipe comes to a terminal
        }
    } else {
        build.arg("--quiet");
    }
    let mut build = build.spawn()?;
    let lines = build.stderr.take().map(BufReader::new);
    let progress = thread::spawn(move || {
        for line in lines.into_iter().flat_map(|lines| lines.split(b'\n')) {
            let line = line.unwrap_or_default();
            if !String::from_utf8_lossy(&line).contains(" target(s) in ") {
                _ = io::stderr().write_all(&[&line[..], b"\n"].concat());
            }
        }
    });
    let mut messages = String::new();
    if let Some(stdout) = &mut build.stdout {
        stdout.read_to_string(&mut messages)?;
    }
    _ = progress.join();
    let succeeded = build.wait()?.success();
    let mut programs = messages.lines().filter_map(|line| text(line, "executable"));
    let program = programs.next_back().filter(|_| succeeded);
    let failed = || io::Error::other(format!("`cargo build {flags}` failed"));
    program.map(Command::new).ok_or_else(failed)
}

/// Becomes the program that `cargo run` with these flags would run, with these arguments.
///
/// # Errors
///
/// As for [`program`].
pub fn become_program(
    flags: &str,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<(), Box<dyn Error>> {
    replace_with(program(flags)?.args(arguments))
}

/// Signals and the exit code need no passing on: this program is the other from now on.
#[cfg(unix)]
fn replace_with(command: &mut Command) -> Result<(), Box<dyn Error>> {
    use std::os::unix::process::CommandExt;
    Err(command.exec().into())
}

#[cfg(not(unix))]
fn replace_with(command: &mut Command) -> Result<(), Box<dyn Error>> {
    ctrlc::set_handler(|| {})?; // the other program decides
    let status = command.status()?;
    std::process::exit(status.code().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_a_message_ends_at_its_own_quote() {
        let message =
            r#"{"target":{"name":"basic"},"executable":"C:\\a \"b\"\\c.exe","other":null}"#;
        assert_eq!(text(message, "name").as_deref(), Some("basic"));
        let path = text(message, "executable");
        assert_eq!(path.as_deref(), Some(r#"C:\a "b"\c.exe"#));
        assert_eq!(text(message, "other"), None);
    }
}

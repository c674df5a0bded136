//! The cargo that runs this program, for programs of other packages of the workspace.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// Becomes cargo, with these words and then the arguments.
///
/// # Errors
///
/// If there is no cargo.
pub fn become_cargo(words: &str, arguments: &[OsString]) -> Result<(), Box<dyn Error>> {
    replace_with(cargo().args(words.split(' ')).args(arguments))
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

//! Parses every `.json` file in a folder and the folders in it, and says what is wrong with each.

use std::io::{self, ErrorKind, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::{env, fs, iter, panic, thread};

use Problem::{Invalid, Unreadable};
use errors::{JobError, Pool};
use serde_json::Value;

enum Problem {
    Unreadable(io::Error),
    Invalid(serde_json::Error),
}

fn main() -> io::Result<ExitCode> {
    let files = json_files(env::args_os().nth(1).unwrap_or(".".into()).into());
    let workers = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let capacity = NonZeroUsize::new(100).expect("100 is not 0");
    panic::set_hook(Box::new(|_| {})); // the message comes with the result
    let (mut good, mut invalid, mut unreadable, mut panicked) = (0, 0, 0, 0);
    let on_result = |(file, result): (PathBuf, _)| {
        let (count, message) = match result {
            Ok(_) => return good += 1,
            Err(JobError::Failed(Invalid(error))) => (&mut invalid, error.to_string()),
            Err(JobError::Failed(Unreadable(error))) => (&mut unreadable, error.to_string()),
            Err(JobError::Panicked(message)) => (&mut panicked, format!("a bug: {message}")),
        };
        *count += 1;
        print(&format!("{}: {message}", file.display()));
    };
    Pool { workers, capacity }.run(files, |_worker, file| check(file), on_result)?;

    print("  good invalid unreadable panicked");
    print(&format!(
        "{good:6} {invalid:7} {unreadable:10} {panicked:8}"
    ));
    Ok(ExitCode::from(u8::from(
        invalid + unreadable + panicked > 0,
    )))
}

/// Returns the bytes for each entry.
fn check(file: &PathBuf) -> Result<usize, Problem> {
    let text = fs::read(file).map_err(Unreadable)?;
    let entries = match serde_json::from_slice(&text).map_err(Invalid)? {
        Value::Array(list) => list.len(),
        Value::Object(map) => map.len(),
        _ => 1,
    };
    Ok(text.len() / entries) // a bug: a list may be empty
}

/// The files, and the folders that cannot be read. Links to folders are not followed.
fn json_files(folder: PathBuf) -> impl Iterator<Item = PathBuf> {
    let mut paths = vec![folder];
    iter::from_fn(move || {
        while let Some(path) = paths.pop() {
            let is_json = path.extension().is_some_and(|end| end == "json");
            match fs::read_dir(&path) {
                Ok(entries) => {
                    let inside = entries.flatten().map(|entry| entry.path());
                    paths.extend(inside.filter(|path| !(path.is_symlink() && path.is_dir())));
                }
                Err(error) if error.kind() == ErrorKind::NotADirectory && !is_json => {}
                Err(_) => return Some(path),
            }
        }
        None
    })
}

fn print(line: &str) {
    if let Err(error) = writeln!(io::stdout(), "{line}") {
        eprintln!("check-json: cannot print: {error}");
        process::exit(1)
    }
}

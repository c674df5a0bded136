//! The SHA-256 of each file in a folder, as `sha256sum` prints it: `checksum DIR --workers 2`.

use clap::Parser;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Write};
use std::iter::once;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::{process, thread};

#[derive(Parser)]
struct Flags {
    /// The folder with the files
    dir: PathBuf,
    /// Number of workers; by default one for each processor core
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
}

fn main() {
    let flags = Flags::parse();
    let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let pool = basic::Pool {
        workers: flags.workers.unwrap_or(cores),
        capacity: NonZeroUsize::new(64).expect("64 is not 0"),
    };
    let mut exit_code = 0;
    let work = |_worker, path: io::Result<PathBuf>| {
        path.and_then(|path| checksum(&path).map_err(|error| about(&path, error)))
    };
    let print = |line: io::Result<Vec<u8>>| match line.map(|line| io::stdout().write_all(&line)) {
        Ok(Ok(())) => {}
        Ok(Err(error)) if error.kind() == ErrorKind::BrokenPipe => process::exit(0), // `| head -1`
        Ok(Err(error)) => process::exit(complain(&about("standard output".as_ref(), error))),
        Err(error) => exit_code = complain(&error),
    };
    let ended = pool.run(files(flags.dir), work, print);
    process::exit(ended.map_or_else(|error| complain(&error), |()| exit_code));
}

fn complain(error: &io::Error) -> i32 {
    _ = writeln!(io::stderr(), "checksum: {error}");
    1 // the exit code
}

fn about(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// All files in the folder and in those in it, found while others are read. Links are left out.
fn files(dir: PathBuf) -> Box<dyn Iterator<Item = io::Result<PathBuf>> + Send> {
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) => return Box::new(once(Err(about(&dir, error)))),
    };
    let kind = |entry: fs::DirEntry| Ok((entry.file_type()?, entry.path()));
    Box::new(entries.flat_map(move |entry| match entry.and_then(kind) {
        Ok((kind, path)) if kind.is_dir() => files(path),
        Ok((kind, path)) => Box::new(kind.is_file().then_some(Ok(path)).into_iter()),
        Err(error) => Box::new(once(Err(about(&dir, error)))),
    }))
}

/// The file's line. Line ends and backslashes in its name are escaped.
fn checksum(path: &Path) -> io::Result<Vec<u8>> {
    let mut sha = Sha256::new();
    io::copy(
        &mut BufReader::with_capacity(1 << 16, File::open(path)?),
        &mut sha,
    )?;
    let name = path.as_os_str().as_encoded_bytes();
    let escaped = Vec::from_iter(name.iter().flat_map(|&byte| match byte {
        b'\n' | b'\r' | b'\\' => Vec::from_iter(byte.escape_ascii()),
        _ => vec![byte],
    }));
    let mark = if escaped.len() > name.len() { r"\" } else { "" };
    let sum = format!("{mark}{:x}  ", sha.finalize());
    Ok([sum.as_bytes(), &escaped, b"\n"].concat())
}

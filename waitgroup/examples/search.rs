//! Prints lines with a word, as they are found: `search WORD DIR --first 3` stops after three.
use clap::{Parser, builder::NonEmptyStringValueParser};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::{cell::Cell, iter, num::NonZeroUsize, process, thread};

#[derive(Parser)]
struct Flags {
    /// What to look for
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    word: String,
    /// The folder with the files
    dir: PathBuf,
    /// Stop after this many lines
    #[arg(long, value_name = "N")]
    first: Option<usize>,
}

fn main() {
    let Flags { word, dir, first } = Flags::parse();
    let workers = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let capacity = NonZeroUsize::new(64).expect("64 is not 0");
    let pool = waitgroup::Pool { workers, capacity };
    let (searched, mut read, exit_code) = (AtomicUsize::new(0), 0, Cell::new(0));
    let complain = |error: io::Error| {
        _ = writeln!(io::stderr(), "search: {error}");
        exit_code.set(1);
    };
    let work = |_worker, path: io::Result<PathBuf>| {
        searched.fetch_add(1, Relaxed);
        path.and_then(|path| search(&word, &path).map_err(|error| about(&path, error)))
    };
    let print = |results: &mut dyn Iterator<Item = io::Result<Vec<Vec<u8>>>>| {
        let lines = (results.inspect(|_| read += 1))
            .flat_map(|lines| lines.map_err(complain).unwrap_or_default());
        for line in lines.take(first.unwrap_or(usize::MAX)) {
            match io::stdout().write_all(&line) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return, // `| head -1`
                Err(error) => return complain(about("standard output".as_ref(), error)),
            }
        }
    };
    (pool.run(files(dir), work, print)).unwrap_or_else(complain);
    let in_vain = searched.into_inner() - read;
    _ = writeln!(io::stderr(), "{read} files read, {in_vain} more in vain");
    process::exit(exit_code.get());
}

/// The lines with the word, each after the file's name.
fn search(word: &str, path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let (word, mut found) = (word.as_bytes(), Vec::new());
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        let line = line?;
        if line.windows(word.len()).any(|part| part == word) {
            found.push([path.as_os_str().as_encoded_bytes(), b": ", &line, b"\n"].concat());
        }
    }
    Ok(found)
}

fn about(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// All files in the folder and in those in it, found while others are read. Links are left out.
fn files(dir: PathBuf) -> Box<dyn Iterator<Item = io::Result<PathBuf>> + Send> {
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) => return Box::new(iter::once(Err(about(&dir, error)))),
    };
    let kind = |entry: fs::DirEntry| Ok((entry.file_type()?, entry.path()));
    Box::new(entries.flat_map(move |entry| match entry.and_then(kind) {
        Ok((kind, path)) if kind.is_dir() => files(path),
        Ok((kind, path)) => Box::new(kind.is_file().then_some(Ok(path)).into_iter()),
        Err(error) => Box::new(iter::once(Err(about(&dir, error)))),
    }))
}

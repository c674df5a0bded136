//! Three kinds of questions about each file. The answer to each kind has its own type.

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::{env, fs, thread};

use Question::{CommonWord, LongestLine, Words};
use job_struct::{Job, Pool};

enum Question {
    Words(Job<OsString, io::Result<usize>>),
    LongestLine(Job<OsString, io::Result<String>>),
    CommonWord(Job<OsString, io::Result<(usize, String)>>),
}

fn main() -> io::Result<ExitCode> {
    let (mut questions, mut answers) = (Vec::new(), Vec::new());
    for file in env::args_os().skip(1) {
        let (words, number) = Job::new(file.clone());
        let (longest_line, line) = Job::new(file.clone());
        let (common_word, word) = Job::new(file.clone());
        questions.extend([
            Words(words),
            LongestLine(longest_line),
            CommonWord(common_word),
        ]);
        answers.push((file, number, line, word));
    }
    let work = |_worker, question| match question {
        Words(job) => job.complete(words),
        LongestLine(job) => job.complete(longest_line),
        CommonWord(job) => job.complete(common_word),
    };
    let workers = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let capacity = workers;
    let run = thread::spawn(move || Pool { workers, capacity }.run(questions, work));

    let mut exit_code = ExitCode::SUCCESS;
    for (file, number, line, word) in answers {
        let told = || -> Result<_, Box<dyn Error>> {
            // The first `?` is for a lost question, the second for a file that cannot be read.
            let (number, line, (times, word)) = (number.wait()??, line.wait()??, word.wait()??);
            Ok(format!(
                "{number} words, {times} times {word}, longest line: {line}"
            ))
        };
        match told() {
            Ok(told) => writeln!(io::stdout(), "{}: {told}", file.display())?,
            Err(error) => {
                eprintln!("stats: {}: {error}", file.display());
                exit_code = ExitCode::FAILURE;
            }
        }
    }
    run.join().expect("no question panics")?;
    Ok(exit_code)
}

fn words(file: OsString) -> io::Result<usize> {
    Ok(fs::read_to_string(file)?.split_whitespace().count())
}

fn longest_line(file: OsString) -> io::Result<String> {
    let text = fs::read_to_string(file)?;
    let longest = text.lines().max_by_key(|line| line.len());
    Ok(longest.unwrap_or_default().into())
}

fn common_word(file: OsString) -> io::Result<(usize, String)> {
    let (text, mut times) = (fs::read_to_string(file)?, BTreeMap::new());
    for word in text.split_whitespace() {
        *times.entry(word).or_default() += 1;
    }
    let times = times.into_iter().map(|(word, times)| (times, word.into()));
    Ok(times.max().unwrap_or_default())
}

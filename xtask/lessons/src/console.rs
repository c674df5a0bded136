//! `console` blocks: commands, and what they print.

use std::time::Duration;

use super::workspace::Workspace;

/// How long a command may run; the lab may have to be built first.
const LIMIT: Duration = Duration::from_secs(300);

/// Stands for any number of lines.
const ELISION: &str = "...";

/// A command of a block, and the lines that the block has for its output.
#[derive(Debug)]
pub struct Call<'a> {
    /// Without the `$ `.
    pub command: &'a str,
    /// The lines.
    pub output: Vec<&'a str>,
}

/// Whether a block with this info string is to be run.
///
/// # Errors
///
/// If it is a console block, and what follows is not known.
pub fn is_run(info: &str) -> Result<bool, String> {
    match info.strip_prefix("console").map(str::trim) {
        Some("") => Ok(true),
        None | Some("ignore") => Ok(false),
        Some(other) => Err(format!(
            "`console {other}` is neither `console` nor `console ignore`"
        )),
    }
}

/// Splits a block into its commands.
///
/// # Errors
///
/// If it does not start with a command.
pub fn calls(block: &str) -> Result<Vec<Call<'_>>, String> {
    let mut calls = Vec::<Call<'_>>::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            let output = Vec::new();
            calls.push(Call { command, output });
        } else if let Some(call) = calls.last_mut() {
            call.output.push(line);
        } else {
            return Err("a console block starts with a line `$ COMMAND`; for another, write `console ignore`".into());
        }
    }
    Ok(calls)
}

/// Runs a command and gives what it prints.
///
/// # Errors
///
/// If it does not build, cannot be run, or does not end.
pub fn output(workspace: &Workspace, command: &str) -> Result<String, String> {
    let command = workspace.build(command)?;
    let finished = workspace.run(command, LIMIT)?;
    match finished.status {
        Some(_) => Ok(finished.output),
        None => Err(format!("does not end within {} s", LIMIT.as_secs())),
    }
}

impl Call<'_> {
    /// The lines that the block should have, given what the command prints: the ones it has, if they fit.
    ///
    /// # Errors
    ///
    /// If it has several elisions, and no longer fits.
    pub fn updated(&self, printed: &str) -> Result<Vec<String>, String> {
        let lines = self.output.iter().rev();
        let gap = lines.take_while(|line| line.is_empty()).count();
        let (old, gap) = self.output.split_at(self.output.len() - gap);
        let printed = Vec::from_iter(printed.trim_end().lines().map(str::trim_end));
        let fits = match self.is_in_any_order() {
            true => fits_in_any_order(old, &printed),
            false => fits(old, &printed),
        };
        let mut new = match fits {
            true => old.to_vec(),
            false => elide(old, &printed)?,
        };
        new.extend(gap);
        Ok(new.into_iter().map(String::from).collect())
    }

    /// A step's program has several workers, and what they do comes in another order each time.
    fn is_in_any_order(&self) -> bool {
        self.command.starts_with("cargo run ") && !self.command.contains(" --help")
    }
}

/// Whether `expected` is what was printed, where an elision is any lines.
fn fits(expected: &[&str], printed: &[&str]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((&ELISION, rest)) => {
            (0..=printed.len()).any(|skipped| fits(rest, &printed[skipped..]))
        }
        Some((line, rest)) => printed.first() == Some(line) && fits(rest, &printed[1..]),
    }
}

/// Whether `expected` could be what is printed in another run: the same lines up to their order and to what
/// [`mask`] hides, or some of them if there is an elision.
fn fits_in_any_order(expected: &[&str], printed: &[&str]) -> bool {
    let mut printed = Vec::from_iter(printed.iter().map(|line| mask(line)));
    let lines = expected.iter().filter(|line| **line != ELISION);
    let are_there = lines.map(|line| mask(line)).all(|line| {
        let place = printed.iter().position(|printed| *printed == line);
        place.map(|place| printed.swap_remove(place)).is_some()
    });
    are_there && (printed.is_empty() || expected.contains(&ELISION))
}

/// Hides what differs from run to run: the numbers of workers, percentages, measured times, and the
/// thread's number in the message of a panic.
fn mask(line: &str) -> String {
    let words = Vec::from_iter(line.split_whitespace());
    let masked = words.iter().enumerate().map(|(place, word)| {
        let before = place.checked_sub(1).map_or("", |before| words[before]);
        let after = words.get(place + 1).copied().unwrap_or_default();
        let rest = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let is_number = rest.len() < word.len();
        let unit = rest.trim_end_matches([',', ';', '.', ')']);
        let is_measured = matches!(unit, "s" | "ms" | "µs" | "ns" | "%") || after.starts_with('%');
        let is_worker =
            before.eq_ignore_ascii_case("worker") || before.eq_ignore_ascii_case("'worker");
        let is_thread = word.starts_with('(') && after == "panicked";
        match (is_number && (is_measured || is_worker), is_thread) {
            (true, _) => format!("_{rest}"),
            (_, true) => "_".into(),
            _ => (*word).to_owned(),
        }
    });
    Vec::from_iter(masked).join(" ")
}

/// What was printed, with an elision where the block had one: as many lines before it and after it.
fn elide<'a>(old: &[&'a str], printed: &[&'a str]) -> Result<Vec<&'a str>, String> {
    let mut parts = old.split(|line| *line == ELISION);
    let head = parts.next().map_or(0, <[_]>::len);
    match (parts.next(), parts.next()) {
        (None, _) => Ok(printed.to_vec()),
        (Some(tail), None) if head + tail.len() < printed.len() => {
            let tail = &printed[printed.len() - tail.len()..];
            Ok([&printed[..head], &[ELISION], tail].concat())
        }
        (Some(_), None) => Ok(printed.to_vec()),
        (Some(_), Some(_)) => Err(
            "its output has changed, and where it has several `...` it has to be updated by hand"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn updated(block: &str, printed: &str) -> Result<String, String> {
        let calls = calls(block)?;
        Ok(calls[0].updated(printed)?.join("\n"))
    }

    #[test]
    fn a_block_is_split_at_its_commands() {
        let calls = calls("$ a\nb\n\n$ c # d\n").expect("it starts with a command");
        let calls = calls.into_iter().map(|call| (call.command, call.output));
        let expected = [("a", vec!["b", ""]), ("c # d", vec![])];
        assert_eq!(Vec::from_iter(calls), expected);
    }

    #[test]
    fn a_block_that_starts_with_output_is_refused() {
        calls("b\n$ a\n").expect_err("it has no command");
    }

    #[test]
    fn an_exact_output_is_replaced_when_it_differs() {
        assert_eq!(updated("$ ls\na\nb\n\n", "b\na\n"), Ok("b\na\n".into()));
        assert_eq!(updated("$ ls\na\nb", "a  \nb\n\n"), Ok("a\nb".into()));
    }

    #[test]
    fn an_elision_stands_for_any_lines_and_is_kept() {
        for (old, printed, new) in [
            ("a\n...\nd", "a\nb\nc\nd", "a\n...\nd"),
            ("a\n...", "a", "a\n..."),
            ("x\n...\ny", "a\nb\nc\nd", "a\n...\nd"),
            ("x\n...\ny", "a\nb", "a\nb"),
        ] {
            let block = format!("$ ls\n{old}");
            assert_eq!(updated(&block, printed), Ok(new.into()));
        }
        updated("$ ls\nx\n...\ny\n...", "a\nb\nc").expect_err("it is not clear what to elide");
    }

    #[test]
    fn lines_of_workers_come_in_any_order() {
        let block = "$ cargo run -p basic\nWorker 1 processing job 1\nResult: 2\n";
        let kept = "Worker 1 processing job 1\nResult: 2";
        let printed = "Result: 2\nWorker 3 processing job 1";
        assert_eq!(updated(block, printed), Ok(kept.into()));
    }

    #[test]
    fn a_line_too_many_or_another_line_is_noticed() {
        let block = "$ cargo run -p basic\nWorker 1 processing job 1\nResult: 2\n";
        for printed in [
            "Worker 1 processing job 1\nResult: 2\nResult: 2",
            "Worker 1 processing job 1\nResult: 4",
            "Worker 1 processing job 2\nResult: 2",
            "Result: 2",
        ] {
            assert_eq!(updated(block, printed), Ok(printed.into()));
        }
    }

    #[test]
    fn help_is_compared_exactly() {
        let block = "$ cargo run -p basic -- --help\na\nb";
        assert_eq!(updated(block, "b\na"), Ok("b\na".into()));
    }

    #[test]
    fn only_what_differs_between_runs_is_masked() {
        let panic = "thread 'worker 2' (1234) panicked at errors/src/main.rs:5:1:";
        let masked = "thread 'worker _' _ panicked at errors/src/main.rs:5:1:";
        for (line, masked) in [
            ("Worker 12 processing job 12", "Worker _ processing job 12"),
            (
                "median 101.09ms, 99th percentile 1s",
                "median _ms, 99th percentile _s",
            ),
            ("worked: 64 %  of their time", "worked: _ % of their time"),
            (panic, masked),
            ("Scaled up to 4 workers", "Scaled up to 4 workers"),
        ] {
            assert_eq!(mask(line), masked);
        }
    }
}

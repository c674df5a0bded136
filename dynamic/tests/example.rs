//! The example that serves users over TCP. Each of its users checks its answer.

use std::process::Output;

use testing::example;

/// A second of the example takes 20 milliseconds.
fn words(flags: &[&str]) -> Output {
    let mut program = example("words");
    let program = program.args(["--second", "20"]).args(flags);
    program.output().expect("the example can be started")
}

/// The number of workers in each second, and the sum that the last line says.
fn workers(flags: &[&str]) -> (Vec<usize>, usize) {
    let output = words(flags);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    assert_eq!(error, "");
    let text = String::from_utf8(output.stdout).expect("it prints text");
    let number = |word: &str| word.parse().expect("it is a number");
    let (seconds, last) = text.trim_end().rsplit_once('\n').expect("lines");
    let mut workers = Vec::new();
    for (second, line) in seconds.lines().enumerate() {
        let words = Vec::from_iter(line.split_whitespace());
        let [now, "s:", now_workers, "workers,", _queue, "in", "queue"] = words[..] else {
            panic!("{line}");
        };
        assert_eq!(number(now), second);
        workers.push(number(now_workers));
    }
    let sum = last.strip_suffix(" worker seconds").expect("a sum");
    let (_wait, sum) = sum.rsplit_once(' ').expect("the longest wait, too");
    (workers, number(sum))
}

#[test]
fn a_fixed_pool_keeps_its_workers() {
    for number in [20, 40] {
        let (workers, sum) = workers(&["--fixed", &number.to_string()]);
        assert!(workers.iter().all(|&now| now == number), "{workers:?}");
        assert_eq!(sum, workers.len() * number);
    }
}

#[test]
fn a_dynamic_pool_has_many_workers_for_a_burst_and_few_between() {
    let (workers, sum) = workers(&[]);
    assert_eq!(workers.first(), Some(&2));
    assert!(workers.iter().any(|&now| now > 10), "{workers:?}");
    assert!(
        workers.iter().all(|&now| (2..=20).contains(&now)),
        "{workers:?}"
    );
    assert_eq!(sum, workers.iter().sum::<usize>());
}

#[test]
fn what_a_flag_does_not_take_is_refused_in_one_line() {
    for wrong in [["--fixed", "0"], ["--fixed", "100000"], ["--second", "0"]] {
        let mut program = example("words");
        let output = program.args(wrong).output();
        let output = output.expect("the example can be started");
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.starts_with("error: invalid value"), "{error}");
        assert_eq!(error.matches("error").count(), 1, "{error}");
    }
}

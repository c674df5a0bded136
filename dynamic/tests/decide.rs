//! The scaler's rule.

use std::num::NonZeroUsize;
use std::time::Duration;

use dynamic::Decision::{self, Add, Keep, Remove};
use dynamic::Pool;
use testing::not_zero;

/// What a pool of `min` to `max` workers decides.
fn decide(queue: usize, workers: usize, min: usize, max: usize) -> Decision {
    let pool = Pool {
        min_workers: not_zero(min),
        max_workers: not_zero(max),
        period: Duration::ZERO,
        capacity: NonZeroUsize::MIN,
    };
    pool.decide(queue, workers)
}

/// Between 2 and 10 workers, as in the article.
#[test]
fn a_few_decisions() {
    let mut cases = [(0, 2), (1, 2), (4, 2), (5, 2), (16, 2), (100, 2)].to_vec();
    cases.extend([(0, 3), (6, 3), (7, 3), (14, 3), (0, 5), (15, 5)]);
    cases.extend([(18, 9), (19, 9), (0, 10), (20, 10), (100, 10)]);
    let lines = cases.into_iter().map(|(queue, workers)| {
        let decision = decide(queue, workers, 2, 10);
        format!("{queue:>3} jobs, {workers:>2} workers: {decision:?}")
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r"
      0 jobs,  2 workers: Keep
      1 jobs,  2 workers: Keep
      4 jobs,  2 workers: Keep
      5 jobs,  2 workers: Add(2)
     16 jobs,  2 workers: Add(8)
    100 jobs,  2 workers: Add(8)
      0 jobs,  3 workers: Remove(1)
      6 jobs,  3 workers: Keep
      7 jobs,  3 workers: Add(3)
     14 jobs,  3 workers: Add(7)
      0 jobs,  5 workers: Remove(2)
     15 jobs,  5 workers: Add(5)
     18 jobs,  9 workers: Keep
     19 jobs,  9 workers: Add(1)
      0 jobs, 10 workers: Remove(5)
     20 jobs, 10 workers: Keep
    100 jobs, 10 workers: Keep
    ");
}

/// The article's two conditions and two amounts, for every small queue and pool.
#[test]
fn the_rule_is_the_articles_and_stays_within_the_bounds() {
    for max in 1..=12 {
        for (min, workers) in (1..=max).flat_map(|min| (min..=max).map(move |now| (min, now))) {
            for queue in 0..=40 {
                let up = queue > workers * 2 && workers < max;
                let down = queue == 0 && workers > min;
                let decision = decide(queue, workers, min, max);
                let case = format!("decide({queue}, {workers}, {min}, {max}) is {decision:?}");
                match decision {
                    Add(count) => {
                        assert!(up && count > 0 && workers + count <= max, "{case}");
                        assert!(count == queue / 2 || workers + count == max, "{case}");
                        assert!(count <= queue / 2, "{case}");
                    }
                    Remove(count) => {
                        assert!(down && count > 0 && workers - count >= min, "{case}");
                        assert!(count == workers / 2 || workers - count == min, "{case}");
                        assert!(count <= workers / 2, "{case}");
                    }
                    Keep => assert!(!up && !down, "{case}"),
                }
            }
        }
    }
}

/// The pool never asks about so few or so many, but others may.
#[test]
fn any_numbers_are_decided_about() {
    assert_eq!(decide(1, 0, 1, 10), Keep, "half a job is not a worker");
    assert_eq!(decide(0, 1, 1, 10), Keep, "half a worker cannot retire");
    assert_eq!(decide(100, 20, 2, 10), Keep, "20 are above the maximum");
    for numbers in 0..4_usize.pow(4) {
        let number = |place| [0, 1, 7, usize::MAX][numbers / 4_usize.pow(place) % 4];
        let (min, max) = (number(2).max(1), number(3).max(1));
        let decision = decide(number(0), number(1), min, max);
        assert!(!matches!(decision, Add(0) | Remove(0)));
    }
}

#[test]
fn a_maximum_below_the_minimum_counts_as_the_minimum() {
    for queue in [0, 1, 3, 100] {
        assert_eq!(decide(queue, 5, 5, 2), Keep);
    }
    for workers in 1..5 {
        assert_eq!(decide(100, workers, 5, 2), Add(5 - workers));
    }
}

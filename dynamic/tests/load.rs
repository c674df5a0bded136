//! The loads of the program.

#[path = "../src/load.rs"]
mod load;

use load::Load::{Article, Random};

#[test]
fn the_articles_load_is_always_the_same() {
    for seed in [1, 2] {
        let bursts: Vec<_> = Article.bursts(3, 20, seed).collect();
        assert_eq!(bursts.len(), 3);
        for burst in bursts {
            assert_eq!(burst.jobs, [1.0; 20]);
            assert_eq!(burst.pause, 5.0);
        }
    }
}

#[test]
fn a_random_load_is_the_same_for_the_same_seed() {
    let bursts = |seed| Random.bursts(10, 20, seed).collect::<Vec<_>>();
    assert_eq!(bursts(1), bursts(1));
    assert_ne!(bursts(1), bursts(2));
}

#[test]
fn a_random_load_has_the_averages_of_the_articles() {
    let (bursts, jobs) = (10_000, 20);
    let (mut count, mut length, mut pause) = (0, 0.0, 0.0);
    for burst in Random.bursts(bursts, jobs, 1) {
        assert!(burst.jobs.len() <= 2 * jobs);
        assert!(burst.jobs.iter().all(|&length| length >= 0.0));
        assert!((0.0..10.0).contains(&burst.pause));
        count += burst.jobs.len();
        length += burst.jobs.iter().sum::<f64>();
        pause += burst.pause;
    }
    let averages = [
        count as f64 / bursts as f64,
        length / count as f64,
        pause / bursts as f64,
    ];
    let rounded = averages.map(|average| (average * 10.0).round() / 10.0);
    assert_eq!(rounded, [20.0, 1.0, 5.0]);
}

#[test]
fn no_jobs_are_no_jobs() {
    for load in [Article, Random] {
        assert!(load.bursts(10, 0, 1).all(|burst| burst.jobs.is_empty()));
        assert_eq!(load.bursts(0, 20, 1).count(), 0);
    }
}

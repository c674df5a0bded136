//! The loads of the program.

#[path = "../src/load.rs"]
mod load;

use load::Load::{Article, Random};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

#[test]
fn the_articles_load_is_always_the_same() {
    let random = &mut Xoshiro256PlusPlus::seed_from_u64(1);
    for jobs in [0, 20, usize::MAX] {
        assert_eq!(Article.jobs(jobs, random), jobs);
    }
    assert_eq!(
        [Article.duration(random), Article.pause(random)],
        [1.0, 5.0]
    );
}

#[test]
fn a_random_load_has_the_averages_of_the_articles() {
    let random = &mut Xoshiro256PlusPlus::seed_from_u64(1);
    let times = 100_000;
    let [mut jobs, mut duration, mut pause] = [0.0; 3];
    for _ in 0..times {
        let some = Random.jobs(20, random);
        assert!(some <= 40);
        jobs += some as f64;
        let long = Random.duration(random);
        assert!(long >= 0.0);
        duration += long;
        let between = Random.pause(random);
        assert!((0.0..10.0).contains(&between));
        pause += between;
    }
    for (sum, average) in [(jobs, 20.0), (duration, 1.0), (pause, 5.0)] {
        let ratio = sum / f64::from(times) / average;
        assert!((0.99..1.01).contains(&ratio), "{ratio}");
    }
}

#[test]
fn a_random_load_takes_any_number_of_jobs() {
    let random = &mut Xoshiro256PlusPlus::seed_from_u64(1);
    assert_eq!(Random.jobs(0, random), 0);
    for jobs in [usize::MAX / 2 + 1, usize::MAX] {
        assert!(Random.jobs(jobs, random) > 1_000_000);
    }
}

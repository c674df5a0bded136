//! What the article's rule for scaling does under a constant load.

use std::sync::mpsc;
use std::time::Duration;

use dynamic::{Event, Pool};
use testing::not_zero;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// Runs 2 to 10 workers for four minutes on jobs of a second, this many in ten seconds, and gives how
/// many workers there were to be, least and most, and how often that changed, in the last three.
async fn scaling(jobs_in_ten_seconds: u32) -> (usize, usize, usize) {
    let start = Instant::now();
    let (happened, events) = mpsc::channel();
    let pool = Pool {
        min_workers: not_zero(2),
        max_workers: not_zero(10),
        period: SECOND * 2,
        capacity: not_zero(100),
    };
    let work = |_, ()| sleep(SECOND);
    let observe = move |event| _ = happened.send((start.elapsed(), event));
    let (pool, results) = pool.start(work, observe);
    tokio::spawn(async move { while results.recv().await.is_ok() {} });

    let gap = SECOND * 10 / jobs_in_ten_seconds;
    sleep(Duration::from_millis(50)).await; // so that no job comes just when the scaler looks
    while start.elapsed() < SECOND * 240 {
        pool.submit(()).await.expect("the pool runs");
        sleep(gap).await;
    }
    let events = Vec::from_iter(events.try_iter());
    pool.stop().await;

    let (mut workers, mut least, mut most, mut changes) = (2, usize::MAX, 0, 0);
    for (at, event) in events {
        match event {
            Event::ScalingUp { count, .. } => workers += count,
            Event::ScalingDown { count } => workers -= count,
            _ => continue,
        }
        if at > SECOND * 60 {
            changes += 1;
            (least, most) = (least.min(workers), most.max(workers));
        }
    }
    (least.min(workers), most.max(workers), changes)
}

/// Two workers can do 20 jobs in ten seconds, ten can do 100. Up to the first and above the second
/// nothing changes. In between it has to, for ever: with fewer workers than the load takes, the queue
/// grows until some are added; with more, it is empty, and half of them are retired. Only a load that
/// is exactly what a whole number of workers can do may settle, if it ever meets that number: the
/// queue neither grows nor drains then.
#[tokio::test(start_paused = true)]
async fn a_constant_load_between_the_two_is_never_settled() {
    let mut table = String::new();
    for jobs in [15, 20, 25, 35, 40, 45, 50, 55, 65, 75, 85, 95, 105, 150] {
        let (least, most, changes) = scaling(jobs).await;
        let load = f64::from(jobs) / 10.0;
        table += &format!("{load:>4}: {least} to {most:>2} workers, {changes:>3} changes\n");
    }
    insta::assert_snapshot!(table, @r"
     1.5: 2 to  2 workers,   0 changes
       2: 2 to  2 workers,   0 changes
     2.5: 2 to  4 workers,  26 changes
     3.5: 3 to  6 workers,  20 changes
       4: 2 to  7 workers,  41 changes
     4.5: 4 to  8 workers,  16 changes
       5: 5 to  5 workers,   0 changes
     5.5: 5 to 10 workers,  14 changes
     6.5: 5 to 10 workers,  30 changes
     7.5: 5 to 10 workers,  30 changes
     8.5: 5 to 10 workers,  26 changes
     9.5: 5 to 10 workers,  10 changes
    10.5: 10 to 10 workers,   0 changes
      15: 10 to 10 workers,   0 changes
    ");
}

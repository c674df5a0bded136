//! Counts the words of texts that bursts of users send over TCP. Prints workers and queue each second.

use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::{io, io::Write, net::SocketAddr, time::Duration};

use dynamic::{Event, Pool};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, spawn};
use tokio::time::{Instant, sleep, timeout_at};

#[derive(clap::Parser)]
struct Flags {
    /// Number of workers to keep; without it 2 to 20, as many as the load asks for
    #[arg(long, value_name = "N")]
    fixed: Option<NonZeroU16>,
    /// Milliseconds that count as a second
    #[arg(long, value_name = "N", default_value = "1000")]
    second: NonZeroU16,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let Flags { fixed, second } = clap::Parser::parse();
    let fixed = fixed.map(NonZeroUsize::from);
    let second = Duration::from_millis(second.get().into());
    let pool = Pool {
        min_workers: fixed.or(NonZeroUsize::new(2)).expect("2 is not 0"),
        max_workers: fixed.or(NonZeroUsize::new(20)).expect("20 is not 0"),
        period: second,
        capacity: NonZeroUsize::new(1000).expect("1000 is not 0"),
    };
    let work = move |_worker, mut user: TcpStream| async move {
        let mut text = String::new();
        user.read_to_string(&mut text).await?;
        sleep(second / 2).await; // stands for a slow backend
        user.write_u64(text.split_whitespace().count() as u64).await
    };
    static WORKERS: AtomicUsize = AtomicUsize::new(0); // without those that are to retire
    WORKERS.store(pool.min_workers.get(), Relaxed);
    let observe = |event| match event {
        Event::ScalingUp { count, .. } => _ = WORKERS.fetch_add(count, Relaxed),
        Event::ScalingDown { count } => _ = WORKERS.fetch_sub(count, Relaxed),
        _ => {}
    };
    let (pool, answers) = pool.start(work, observe);
    spawn(async move { while answers.recv().await.is_ok() {} });

    let server = TcpListener::bind("127.0.0.1:0").await?; // a port of the system's choice
    let address = server.local_addr()?;
    let mut users = JoinSet::from_iter((0..180).map(|id| user(address, id, second)));
    let (mut now, mut total, mut longest, mut out) = (0, 0, 0.0, io::stdout());
    while !users.is_empty() {
        let (workers, queue) = (WORKERS.load(Relaxed), pool.queue_len());
        writeln!(out, "{now:>2} s: {workers:>2} workers, {queue:>3} in queue")?;
        (now, total) = (now + 1, total + workers);
        let next = Instant::now() + second;
        while let Ok(user) = timeout_at(next, server.accept()).await {
            pool.submit(user?.0).await.expect("answers are read");
        }
        while let Some(waited) = users.try_join_next() {
            longest = f64::max(longest, waited.expect("no user panics")?);
        }
    }
    pool.stop().await;
    writeln!(out, "Longest wait {longest:.1} s, {total} worker seconds")
}

/// One of 60 users of each burst. Sends a text, and returns how many seconds the answer took.
async fn user(server: SocketAddr, id: u32, second: Duration) -> io::Result<f64> {
    sleep(second * 8 * (id / 60)).await;
    let begin = Instant::now();
    let mut server = TcpStream::connect(server).await?;
    let text = "word ".repeat(id as usize);
    server.write_all(text.as_bytes()).await?;
    server.shutdown().await?;
    assert_eq!(server.read_u64().await?, u64::from(id));
    Ok(begin.elapsed().as_secs_f64() / second.as_secs_f64())
}

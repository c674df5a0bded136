//! A polite client. Without URLs it asks a server of its own, which answers 429 to more than 24 requests in a second.

use std::io::{ErrorKind, Result, Write, stdout};
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use clap::Parser;
use rate_limited::{Limiter, Pool, Submitter};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
struct Flags {
    #[arg(value_name = "http://HOST:PORT/PATH")]
    urls: Vec<String>,
    /// Number of requests that may start in a second
    #[arg(long, value_name = "N", default_value = "20")]
    rate: NonZeroU32,
    #[arg(long, value_name = "N", default_value = "50")]
    workers: NonZeroUsize,
    /// A limit for each worker, in place of one for all
    #[arg(long)]
    each: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut flags = Flags::parse();
    if flags.urls.is_empty() {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        flags.urls = (1..=40).map(|page| format!("{url}/{page}")).collect();
        tokio::spawn(serve(listener));
    }
    let period = Duration::from_secs(1) / flags.rate.get();
    let each = period * u32::from(flags.each); // what a worker waits for by itself
    let limiter = Limiter::new(period - each, NonZeroU32::MIN);
    let cancel = CancellationToken::new();
    let submit_all = async |submitter: Submitter<String>| {
        for url in flags.urls {
            submitter.submit(url).await?;
        }
        Ok(())
    };
    let work = move |_worker, url: String| async move {
        sleep(each).await;
        let status = get(&url).await.unwrap_or_else(|error| error.to_string());
        format!("{status}  {url}")
    };
    let on_result = |line| writeln!(stdout(), "{line}").unwrap_or_else(|_| cancel.cancel());
    let (workers, capacity) = (flags.workers, flags.workers);
    let run = Pool { workers, capacity }.run(cancel.clone(), limiter, submit_all, work, on_result);
    let _not_fetched = run.await; // some, if nobody reads on, as in `| head -1`
    Ok(())
}

async fn get(url: &str) -> Result<String> {
    let url = url.strip_prefix("http://").ok_or(ErrorKind::InvalidInput)?;
    let (host, path) = url.split_once('/').unwrap_or((url, ""));
    let mut server = TcpStream::connect(host).await?;
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    server.write_all(request.as_bytes()).await?;
    let mut answer = [0; 12]; // "HTTP/1.0 200"
    server.read_exact(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer[9..]).into())
}

async fn serve(listener: TcpListener) {
    let mut log = Vec::new();
    while let Ok((mut client, _)) = listener.accept().await {
        log.push(Instant::now());
        log.retain(|then| then.elapsed().as_secs() < 1);
        let status = if log.len() > 24 { 429 } else { 200 };
        _ = client.read(&mut [0; 1024]).await;
        let answer = format!("HTTP/1.0 {status} \r\n\r\n");
        _ = client.write_all(answer.as_bytes()).await;
    }
}

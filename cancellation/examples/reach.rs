//! Which of many addresses accept a connection? Those that Ctrl-C or the timeout leaves untried go into a file.

use std::io::{ErrorKind, Write, stdout};
use std::num::NonZeroUsize;
use std::time::Duration;
use std::{env, fs, process};

use cancellation::{Pool, Submitter};
use clap::Parser;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
struct Flags {
    #[arg(value_name = "HOST:PORT")]
    addresses: Vec<String>,
    /// A file of more addresses, one a line; at the end, of those that were not tried
    #[arg(long, value_name = "FILE")]
    resume: String,
    /// Until when addresses are tried; each has 1 second to answer
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    timeout: u64,
    /// Number of addresses that are tried at once
    #[arg(long, value_name = "N", default_value = "64")]
    workers: NonZeroUsize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments = env::args_os().map(|text| text.to_string_lossy().into_owned());
    let flags = Flags::parse_from(arguments);
    let (mut addresses, file) = (flags.addresses, flags.resume);
    match fs::read_to_string(&file) {
        Ok(text) => addresses.extend(text.lines().map(String::from)),
        Err(error) if error.kind() == ErrorKind::NotFound => {} // the first run makes it
        Err(error) => fail(format_args!("cannot read {file}: {error}")),
    }

    let cancel = CancellationToken::new();
    let (timer, signal) = (cancel.clone(), cancel.clone());
    tokio::spawn(async move {
        sleep(Duration::from_secs(flags.timeout)).await;
        timer.cancel();
    });
    ctrlc::set_handler(move || signal.cancel()).expect("there is no other handler");

    let mut addresses = addresses.into_iter();
    let submit_all = async |submitter: Submitter<String>| {
        for address in addresses.by_ref() {
            submitter.submit(address).await?;
        }
        Ok(())
    };
    let work = async |_worker, address: String| match connect(&address).await {
        Ok(_) => format!("{address}  open"),
        Err(error) => format!("{address}  {error}"),
    };
    let on_result = |line| writeln!(stdout(), "{line}").unwrap_or_else(|_| cancel.cancel());
    let (workers, capacity) = (flags.workers, flags.workers);
    let run = Pool { workers, capacity }.run(cancel.clone(), submit_all, work, on_result, |_| {});
    let mut untried = run.await;
    untried.extend(addresses);
    let lines: String = untried.iter().flat_map(|address| [address, "\n"]).collect();
    if let Err(error) = fs::write(&file, &lines) {
        fail(format_args!("cannot write {file}: {error}\n{lines}"));
    }
    process::exit(i32::from(!untried.is_empty())) // without waiting for the lookup of a name
}

async fn connect(address: &str) -> std::io::Result<TcpStream> {
    timeout(Duration::from_secs(1), TcpStream::connect(address)).await?
}

fn fail(message: std::fmt::Arguments<'_>) -> ! {
    eprintln!("reach: {message}");
    process::exit(2)
}

//! `examples/reach.rs`, run as a person does: however it is stopped, it and the run that goes on try every address once.

use std::collections::BTreeSet;
use std::fs;
#[cfg(target_os = "linux")]
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
#[cfg(target_os = "linux")]
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use testing::{example, with_deadline};

/// Ten that accept a connection, ten that probably refuse one, and others that are no address.
struct Addresses {
    all: Vec<String>,
    _listeners: Vec<TcpListener>,
}

impl Addresses {
    fn new(others: usize) -> Self {
        let listen = || TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = |of: &TcpListener| of.local_addr().expect("it is bound").to_string();
        let listeners = Vec::from_iter((0..10).map(|_| listen()));
        let mut all = Vec::from_iter(listeners.iter().map(address));
        all.extend((1..=10).map(|port| format!("127.0.0.1:{port}")));
        all.extend((1..=others).map(|number| format!("no-port-{number}")));
        Self {
            all,
            _listeners: listeners,
        }
    }
}

/// A file that is not there yet, in a folder of this test's own.
fn file(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("reach-{test}"));
    _ = fs::remove_dir_all(&folder); // of an earlier run
    fs::create_dir_all(&folder).expect("the folder can be made");
    folder.join("todo")
}

fn reach(file: &Path) -> Command {
    let mut reach = example("reach");
    reach.arg("--resume").arg(file).stdin(Stdio::null());
    reach
}

/// The addresses of the lines, in order.
fn tried(stdout: &[u8]) -> Vec<String> {
    let lines = str::from_utf8(stdout)
        .expect("only text is printed")
        .lines();
    let address = |line: &str| line.split("  ").next().unwrap_or_default().to_owned();
    lines.map(address).collect()
}

/// Goes on until every address has been tried; each has to be once.
fn assert_every_address_is_tried_once(
    addresses: &Addresses,
    mut first: Vec<String>,
    file: PathBuf,
) {
    let output = with_deadline({
        let file = file.clone();
        move || reach(&file).output().expect("the example can be started")
    });
    assert_eq!(output.status.code(), Some(0), "all are tried");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "");
    first.extend(tried(&output.stdout));
    first.sort();
    let mut all = addresses.all.clone();
    all.sort();
    assert_eq!(first, all);
}

#[test]
fn what_accepts_a_connection_is_open_and_each_address_has_one_line() {
    let (addresses, file) = (Addresses::new(10), file("open"));
    let mut reach = reach(&file);
    reach.args(&addresses.all);
    let output = with_deadline(move || reach.output().expect("the example can be started"));
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).expect("only text is printed");
    let open = text.lines().filter_map(|line| line.strip_suffix("  open"));
    let open = BTreeSet::from_iter(open);
    assert_eq!(
        open,
        addresses.all[..10].iter().map(String::as_str).collect()
    );
    assert_eq!(text.lines().count(), 30);
    let bad = "no-port-1  invalid socket address";
    assert!(text.lines().any(|line| line == bad), "{text}");
}

/// Timers have a resolution of a millisecond, in which no 5000 addresses can be tried.
#[test]
fn after_the_timeout_the_next_run_goes_on() {
    let (addresses, file) = (Addresses::new(5000), file("timeout"));
    let mut reach = reach(&file);
    reach
        .args(["--timeout", "0", "--workers", "1"])
        .args(&addresses.all);
    let output = with_deadline(move || reach.output().expect("the example can be started"));
    let first = tried(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(1),
        "some are not tried: {first:?}"
    );
    assert_every_address_is_tried_once(&addresses, first, file);
}

/// More than fits into a pipe is to be printed.
#[test]
fn when_nobody_reads_on_the_rest_is_kept() {
    let (addresses, file) = (Addresses::new(5000), file("head"));
    let mut reach = reach(&file);
    reach
        .args(&addresses.all)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = with_deadline(move || {
        let mut running = reach.spawn().expect("the example can be started");
        drop(running.stdout.take()); // as `| head -1` does, a little later
        running.wait_with_output().expect("it was started")
    });
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(1));
    let kept = fs::read_to_string(&file).expect("it is there");
    assert!(kept.ends_with("no-port-5000\n"));
}

/// Addresses that take a second each, as the system answers no request for a connection once a listener's queue is full.
#[cfg(target_os = "linux")]
#[test]
fn after_ctrl_c_the_next_run_goes_on() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    let runtime = runtime.expect("a runtime can be started");
    let listener = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind("0.0.0.0:0".parse().expect("it is an address"))?;
        socket.listen(1) // one connection waits, and one more
    });
    let listener = listener.expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let connect = || TcpStream::connect(("127.0.0.1", port)).expect("there is room for two");
    let _waiting = [connect(), connect()];

    let (mut addresses, file) = (Addresses::new(10), file("ctrl-c"));
    addresses
        .all
        .extend((1..=60).map(|host| format!("127.0.0.{host}:{port}")));
    let mut reach = reach(&file);
    reach.args(["--workers", "1"]).args(&addresses.all);
    let first = with_deadline(move || {
        let mut running = reach
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example can be started");
        let mut stdout = BufReader::new(running.stdout.take().expect("it is piped"));
        let mut first = String::new();
        while !first.contains("no-port-10") {
            assert_ne!(
                stdout.read_line(&mut first).expect("only text is printed"),
                0,
                "{first}"
            );
        }
        let process = running.id().to_string();
        let kill = Command::new("kill").args(["-s", "INT", &process]).status();
        assert!(kill.expect("there is a kill").success());
        stdout
            .read_to_string(&mut first)
            .expect("only text is printed");
        assert_eq!(
            running.wait().expect("it was started").code(),
            Some(1),
            "{first}"
        );
        first
    });
    assert_every_address_is_tried_once(&addresses, tried(first.as_bytes()), file);
}

//! `examples/reach.rs`, run as a person does: however it is stopped, it and the run that goes on try every address once.

use std::fs;
use std::io;
use std::net::TcpListener;
#[cfg(target_os = "linux")]
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use testing::{Running, example};

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

fn sorted(lines: impl IntoIterator<Item: ToString>) -> Vec<String> {
    let mut lines = Vec::from_iter(lines.into_iter().map(|line| line.to_string()));
    lines.sort();
    lines
}

/// Goes on until every address has been tried; each has to be once.
fn assert_every_address_is_tried_once(addresses: &Addresses, first: &str, file: &Path) {
    let (status, rest, _) = Running::start(&mut reach(file)).end();
    assert_eq!(status.code(), Some(0), "all are tried");
    assert_eq!(fs::read_to_string(file).expect("it is there"), "");
    let tried = first.lines().chain(rest.lines());
    let tried = tried.filter_map(|line| line.split("  ").next());
    assert_eq!(sorted(tried), sorted(&addresses.all));
}

#[test]
fn what_accepts_a_connection_is_open_and_each_address_has_one_line() {
    let (addresses, file) = (Addresses::new(10), file("open"));
    let mut reach = reach(&file);
    let (status, text, _) = Running::start(reach.args(&addresses.all)).end();
    assert_eq!(status.code(), Some(0));
    let open = text.lines().filter_map(|line| line.strip_suffix("  open"));
    assert_eq!(sorted(open), sorted(&addresses.all[..10]));
    assert_eq!(text.lines().count(), 30);
    let bad = "no-port-1  invalid socket address";
    assert!(text.lines().any(|line| line == bad), "{text}");
}

/// Timers have a resolution of a millisecond, in which no 5000 addresses can be tried.
#[test]
fn after_the_timeout_the_next_run_goes_on() {
    let (addresses, file) = (Addresses::new(5000), file("timeout"));
    let mut reach = reach(&file);
    reach.args(["--timeout", "0", "--workers", "1"]);
    let (status, first, _) = Running::start(reach.args(&addresses.all)).end();
    assert_eq!(status.code(), Some(1), "some are not tried: {first}");
    assert_every_address_is_tried_once(&addresses, &first, &file);
}

#[test]
fn when_nobody_reads_on_the_rest_is_kept() {
    let (addresses, file) = (Addresses::new(5000), file("head"));
    let (reader, writer) = io::pipe().expect("there is room for a pipe");
    drop(reader);
    let mut reach = reach(&file);
    let reach = reach.args(&addresses.all).stdout(writer);
    let output = reach.output().expect("the example can be started");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(1));
    let kept = fs::read_to_string(&file).expect("it is there");
    assert!(kept.ends_with("no-port-5000\n"));
}

/// Addresses that take a second each, as the system answers no request for a connection once a listener's queue is full.
#[cfg(target_os = "linux")]
#[test]
fn after_ctrl_c_the_next_run_goes_on() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_io().build();
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
    let silent = (1..=60).map(|host| format!("127.0.0.{host}:{port}"));
    addresses.all.extend(silent);
    let mut reach = reach(&file);
    reach.args(["--workers", "1"]);
    let mut running = Running::start(reach.args(&addresses.all));
    running.wait_for("no-port-10");
    running.send("INT");
    let (status, first, _) = running.end();
    assert_eq!(status.code(), Some(1), "{first}");
    assert_every_address_is_tried_once(&addresses, &first, &file);
}

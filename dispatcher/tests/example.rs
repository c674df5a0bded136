//! The example `serve`, as its clients meet it.
#![cfg(unix)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use std::{fs, thread};

use testing::{Running, example, with_deadline};

const WORKERS: usize = 4;
const CAPACITY: usize = 64;

/// A server that runs, in a folder with one file that it serves and one beside that folder.
struct Server {
    running: Running,
    address: String,
    folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let files = folder.path().join("files");
        fs::create_dir_all(files.join("sub")).expect("there is room for a folder");
        fs::write(files.join("sub/small.txt"), "a small file").expect("there is room for a file");
        fs::write(folder.path().join("secret.txt"), "a secret").expect("there is room for a file");
        std::os::unix::fs::symlink("../secret.txt", files.join("link")).expect("it is a new name");

        let mut running = Running::start(example("serve").arg(&files));
        let line = running.wait_for("http://");
        let (_, address) = line.trim().split_once("http://").expect("it has it");
        Self {
            running,
            address: address.to_owned(),
            folder,
        }
    }

    /// Waits for the end. Returns whether it ended well, and what it printed to standard error.
    fn end(self) -> (bool, String) {
        let (status, _, stderr) = self.running.end();
        (status.success(), stderr)
    }
}

fn connect(address: &str) -> TcpStream {
    TcpStream::connect(address).expect("the server listens")
}

fn get(address: &str, path: &str) -> String {
    let mut connection = connect(address);
    send(&mut connection, format!("GET {path} HTTP/1.1\r\n\r\n"));
    answer(connection)
}

fn send(connection: &mut TcpStream, text: impl AsRef<[u8]>) {
    let sent = connection.write_all(text.as_ref());
    sent.expect("the server reads");
}

/// Whether an answer has come.
fn is_answered(connection: &TcpStream) -> bool {
    let blocks = |blocks: bool| connection.set_nonblocking(!blocks).expect("it is open");
    blocks(false);
    let is_answered = connection.peek(&mut [0]).is_ok();
    blocks(true);
    is_answered
}

/// The status and the body, once the connection has ended.
fn answer(mut connection: TcpStream) -> String {
    let mut answer = String::new();
    let read = connection.read_to_string(&mut answer);
    read.expect("the server answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    let length = format!("Content-Length: {}", body.len());
    assert!(head.lines().any(|line| line == length), "{head}");
    let status = head.split(' ').nth(1).expect("a head has a status");
    let later = match head.contains("\r\nRetry-After: 1\r\n") {
        true => " later",
        false => "",
    };
    format!("{status}{later} {body}").trim_end().to_owned()
}

#[test]
fn ten_thousand_requests_get_ten_thousand_answers() {
    with_deadline(|| {
        let server = Server::start();
        let (address, asked) = (&server.address, AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while asked.fetch_add(1, Relaxed) < 10_000 {
                        assert_eq!(get(address, "/sub/small.txt"), "200 a small file");
                    }
                });
            }
        });
        server.running.send("INT");
        assert_eq!(server.end(), (true, String::new()));
    });
}

/// A client that is let in sends the end of its request when the server is to end. A worker that starts late leaves its place to a
/// later client.
#[test]
fn a_full_queue_is_answered_at_once_and_ctrl_c_finishes_what_is_in_flight() {
    const HEAD: &str = "GET /sub/small.txt HTTP/1.1\r\nHost: localhost\r\n";
    with_deadline(|| {
        let server = Server::start();
        let ask = |head: String| {
            let mut connection = connect(&server.address);
            send(&mut connection, head);
            connection
        };
        let first = Vec::from_iter((0..WORKERS + CAPACITY).map(|_| ask(HEAD.into())));
        let mut late = Vec::new();
        while late.iter().filter(|late| is_answered(late)).count() < 10 {
            late.push(ask(format!("{HEAD}\r\n")));
            thread::sleep(Duration::from_millis(10)); // the system keeps at most 128 that wait
        }
        let (refused, in_flight) = first.into_iter().partition::<Vec<_>, _>(is_answered);
        assert!(in_flight.len() >= CAPACITY, "{}", in_flight.len());
        for connection in late.into_iter().filter(is_answered).chain(refused) {
            assert_eq!(answer(connection), "503 later");
        }
        server.running.send("INT");
        while TcpStream::connect(&server.address).is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
        for mut connection in in_flight {
            send(&mut connection, "\r\n");
            assert_eq!(answer(connection), "200 a small file");
        }
        assert_eq!(server.end(), (true, String::new()));
    });
}

#[test]
fn only_files_of_the_folder_are_served() {
    with_deadline(|| {
        let server = Server::start();
        let absolute = server.folder.path().join("secret.txt");
        let absolute = format!("/{}", absolute.display());
        let outside = [
            "/../secret.txt",
            "/sub/../../secret.txt",
            "/link",
            &absolute,
        ];
        for path in outside.into_iter().chain(["/sub", "/", "/none"]) {
            assert_eq!(get(&server.address, path), "404", "{path}");
        }
        assert_eq!(
            get(&server.address, "/sub/../sub/small.txt"),
            "200 a small file"
        );
        let mut connection = connect(&server.address);
        send(&mut connection, b"GET /\xff HTTP/1.1\r\n\r\n");
        assert_eq!(answer(connection), "404");
    });
}

#[test]
fn a_folder_that_is_not_there_is_told_in_one_line() {
    for (path, error) in [
        ("none", "No such file or directory"),
        (file!(), "Not a directory"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name(path);
        let output = example("serve").arg(&path).output();
        let output = output.expect("the program can be started");
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8_lossy(&output.stderr);
        let error = format!("{}: {error}", path.display());
        assert!(stderr.contains(&error), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

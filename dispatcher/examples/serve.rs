//! Serves the files of a folder on 127.0.0.1, until Ctrl-C. Each connection is a task.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::{env, error::Error, fs, time::Duration};

use dispatcher::{Event, Pool};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = env::args_os().nth(1).ok_or("which folder?")?;
    let found = fs::read_dir(&dir).and_then(|_| fs::canonicalize(&dir));
    let dir = Arc::new(found.map_err(|error| format!("{}: {error}", dir.display()))?);
    let listener = TcpListener::bind("127.0.0.1:0")?; // the system chooses the port
    let address = listener.local_addr()?;
    let is_over = Arc::new(AtomicBool::new(false));
    let over = is_over.clone();
    ctrlc::set_handler(move || {
        over.store(true, Relaxed);
        _ = TcpStream::connect(address); // ends the wait for the next connection
    })?;

    let [workers, capacity] = [4, 64].map(|number| NonZeroUsize::new(number).expect("not 0"));
    let pool = Pool { workers, capacity }.start(|event| {
        if let Event::Failed { error, .. } = event {
            eprintln!("{error}");
        }
    })?;
    let submitter = pool.submitter();
    println!("Serving {} at http://{address}", dir.display());
    for client in listener.incoming().flatten().map(Arc::new) {
        let (asked, dir) = (client.clone(), dir.clone());
        let task = Box::new(move || Ok(answer(&asked, &dir)?));
        if submitter.try_submit(task).is_err() {
            _ = request(&client, Duration::from_millis(100)); // an unread request breaks the answer
            _ = respond(&client, "503 Service Unavailable\r\nRetry-After: 1", b"");
        }
        if is_over.load(Relaxed) {
            break;
        }
    }
    drop(listener); // from here on the system refuses connections
    pool.stop(); // each accepted one gets its answer
    Ok(())
}

/// Answers with the file that the client asks for, if it is in `dir`.
fn answer(client: &TcpStream, dir: &Path) -> io::Result<()> {
    let request = request(client, Duration::from_secs(10))?;
    let name = request.strip_prefix("GET /").unwrap_or_default();
    let name = name.split(' ').next().unwrap_or_default();
    let path = dir.join(name).canonicalize().ok();
    let path = path.filter(|path| path.starts_with(dir) && path.is_file());
    match path.map(fs::read) {
        Some(Ok(file)) => respond(client, "200 OK", &file),
        Some(Err(_)) => respond(client, "403 Forbidden", b""),
        None => respond(client, "404 Not Found", b""),
    }
}

/// Reads the head of a request, and returns its first line.
fn request(client: &TcpStream, timeout: Duration) -> io::Result<String> {
    client.set_read_timeout(Some(timeout))?;
    let mut lines = BufReader::new(client.take(8192)).split(b'\n');
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| line != b"\r") {}
    Ok(String::from_utf8_lossy(&first).into_owned())
}

fn respond(mut client: &TcpStream, status: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    client.write_all(&[head.as_bytes(), body].concat())
}

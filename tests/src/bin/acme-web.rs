//! A web server to be kept running: `acme-web PORT DIRECTORY`.
//!
//! It appends `up NODE PID` to `web.witness` in the directory and answers every request with 200, or
//! with what the file `answer.PID` there says; where that says `silent`, not at all.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, port, dir] = args.as_slice() else { anyhow::bail!("acme-web PORT DIRECTORY") };
    let dir = Path::new(dir);
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?))?;
    let mut witness = fs::File::options().create(true).append(true).open(dir.join("web.witness"))?;
    let line = format!("up {} {}\n", std::env::var("RGM_NODE")?, std::process::id());
    witness.write_all(line.as_bytes())?;
    let mut silenced = Vec::new();
    for stream in listener.incoming() {
        let stream = stream?;
        let told = fs::read_to_string(dir.join(format!("answer.{}", std::process::id())));
        match told.as_deref().map(str::trim) {
            // Open, so that whoever asked waits.
            Ok("silent") => silenced.push(stream),
            Ok(status) => answer(stream, status),
            Err(_) => answer(stream, "200"),
        }
    }
    Ok(())
}

/// A client that is gone already asked for no answer: it only connected.
fn answer(mut stream: TcpStream, status: &str) {
    let mut request = [0; 1024];
    let answered = stream.read(&mut request).and_then(|_| {
        write!(stream, "HTTP/1.1 {status} As told\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    });
    let _gone = answered;
}

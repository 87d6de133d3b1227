//! HTTP GET, as much of it as a fault monitor needs: the first line of the answer.

use super::{ConnectError, TIMED_OUT, connect, finding};
use crate::judge::{COMPLETE, Finding};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Longest first line of an answer.
const STATUS_LINE_MAX: usize = 1024;

/// A page to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    host: String,
    port: u16,
    path: String,
    text: String,
}

impl Url {
    /// Understands `http://HOST[:PORT][/PATH]`; `None` if it is no address of a page at all.
    pub fn parse(text: &str) -> Option<Result<Self, String>> {
        let text = text.trim();
        if text.starts_with("https://") {
            let wrong = "https is not spoken by the built-in probe; write a command, such as \
                         /usr/bin/curl --fail --silent --output /dev/null URL";
            return Some(Err(format!("{text}: {wrong}")));
        }
        let rest = text.strip_prefix("http://")?;
        Some(Self::split(rest, text).ok_or_else(|| format!("{text} is not http://HOST[:PORT][/PATH]")))
    }

    fn split(rest: &str, text: &str) -> Option<Self> {
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => {
                let (host, rest) = v6.split_once(']')?;
                (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
            }
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Some(80), |port| port.parse().ok())?;
        let path = if path.is_empty() { "/" } else { path };
        let blank = text.chars().any(|c| c.is_whitespace() || c.is_control());
        (!host.is_empty() && !blank).then(|| Self {
            host: host.to_owned(),
            port,
            path: path.to_owned(),
            text: text.to_owned(),
        })
    }
}

/// Asks for the page. A status below 400 will do.
pub fn get(url: &Url, limit: Duration) -> Finding {
    let deadline = Instant::now() + limit;
    let mut stream = match connect(&url.host, url.port, deadline) {
        Ok(stream) => stream,
        Err(error @ (ConnectError::Name(_) | ConnectError::TimedOut | ConnectError::Refused(_))) => {
            return finding(&error, &url.host, url.port, limit);
        }
    };
    match ask(&mut stream, url, deadline) {
        Ok(line) => judge(url, &line),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            Finding::Failed(TIMED_OUT, format!("{} does not answer within {} s", url.text, limit.as_secs()))
        }
        Err(error) => Finding::Failed(COMPLETE, format!("{}: {error}", url.text)),
    }
}

/// The first line of the answer.
fn ask(stream: &mut TcpStream, url: &Url, deadline: Instant) -> io::Result<String> {
    let left = || match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::Error::from(io::ErrorKind::TimedOut)),
        left => Ok(Some(left)),
    };
    let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {host}:{}\r\nUser-Agent: rgm-agent\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        url.path, url.port
    );
    stream.set_write_timeout(left()?)?;
    stream.write_all(request.as_bytes())?;
    let mut line = Vec::new();
    let mut buffer = [0; STATUS_LINE_MAX];
    while !line.contains(&b'\n') && line.len() < STATUS_LINE_MAX {
        stream.set_read_timeout(left()?)?;
        let len = stream.read(&mut buffer)?;
        if len == 0 {
            break;
        }
        line.extend_from_slice(buffer.get(..len).unwrap_or_default());
    }
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).trim().chars().filter(|c| !c.is_control()).collect())
}

fn judge(url: &Url, line: &str) -> Finding {
    let status =
        line.strip_prefix("HTTP/").and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u16>().ok());
    match status {
        Some(status @ 100..400) => Finding::Well(format!("{} answers with {status}", url.text)),
        Some(status) => Finding::Failed(COMPLETE, format!("{} answers with {status}", url.text)),
        None => Finding::Failed(COMPLETE, format!("{} answers with no HTTP, but {line:?}", url.text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap().unwrap()
    }

    #[test]
    fn an_address_is_taken_apart() {
        for (text, host, port, path) in [
            ("http://www.example.org", "www.example.org", 80, "/"),
            ("http://127.0.0.1:8080/", "127.0.0.1", 8080, "/"),
            ("http://[::1]:81/health?x=1", "::1", 81, "/health?x=1"),
            ("http://[::1]", "::1", 80, "/"),
        ] {
            let url = url(text);
            assert_eq!((url.host.as_str(), url.port, url.path.as_str()), (host, port, path), "{text}");
        }
        assert_eq!(Url::parse("/usr/bin/curl http://x/"), None, "a command");
        for text in
            ["http://", "http://x:port/", "http://x:70000/", "http://[::1", "http://x/a b", "https://x/"]
        {
            assert!(Url::parse(text).unwrap().is_err(), "{text}");
        }
        assert!(Url::parse("https://x/").unwrap().unwrap_err().contains("curl"));
    }

    /// Asks a server that answers with this once; without an answer it keeps the connection open.
    fn asked(answer: Option<&'static str>, limit: Duration) -> (Finding, String) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 100];
            while !request.ends_with(b"\r\n\r\n") {
                let len = stream.read(&mut buffer).unwrap();
                request.extend_from_slice(&buffer[..len]);
            }
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).unwrap(),
                // Until the other side has had enough.
                None => drop(stream.read(&mut buffer)),
            }
            String::from_utf8(request).unwrap()
        });
        let finding = get(&url(&format!("http://127.0.0.1:{port}/up")), limit);
        (finding, server.join().unwrap())
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn the_status_of_the_answer_decides() {
        for (answer, well) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.0 302 Found\r\nLocation: /\r\n\r\n", true),
            ("HTTP/1.1 404 Not Found\r\n\r\n", false),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", false),
            ("SSH-2.0-OpenSSH_9.2\r\n", false),
            ("", false),
        ] {
            let (finding, request) = asked(Some(answer), LONG);
            assert_eq!(matches!(finding, Finding::Well(_)), well, "{answer}: {finding:?}");
            assert_eq!(matches!(finding, Finding::Failed(COMPLETE, _)), !well, "{answer}: {finding:?}");
            assert!(request.starts_with("GET /up HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");
        }
    }

    #[test]
    fn a_server_that_accepts_and_is_silent_is_half_a_failure() {
        let (finding, _) = asked(None, Duration::from_millis(200));
        assert!(matches!(finding, Finding::Failed(TIMED_OUT, _)), "{finding:?}");
    }
}

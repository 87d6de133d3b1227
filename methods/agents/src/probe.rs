//! Asking a service over the network whether it is there.

pub mod http;

use crate::judge::{COMPLETE, Finding};
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// A time-out is half a failure: a busy machine looks the same.
pub const TIMED_OUT: u32 = COMPLETE / 2;

/// Why a connection could not be made.
#[derive(Debug)]
pub enum ConnectError {
    /// The name has no address now.
    Name(io::Error),
    /// Nobody answered in time.
    TimedOut,
    /// It was refused, or nothing leads there.
    Refused(io::Error),
}

/// Connects to a port of a host; one of its addresses is enough.
pub fn connect(host: &str, port: u16, deadline: Instant) -> Result<TcpStream, ConnectError> {
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs().map_err(ConnectError::Name)?.collect();
    let mut last = ConnectError::Name(io::Error::other("it has no address"));
    for address in addresses {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ConnectError::TimedOut);
        }
        last = match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => ConnectError::TimedOut,
            Err(error) => ConnectError::Refused(error),
        };
    }
    Err(last)
}

/// Does anybody accept a connection there?
pub fn tcp(host: &str, port: u16, limit: Duration) -> Finding {
    match connect(host, port, Instant::now() + limit) {
        Ok(_) => Finding::Well(format!("it answers at {host} port {port}")),
        Err(error) => finding(&error, host, port, limit),
    }
}

/// What a connection that was not made says about the service.
fn finding(error: &ConnectError, host: &str, port: u16, limit: Duration) -> Finding {
    match error {
        ConnectError::Name(error) => Finding::Unknown(format!("host {host} is not known here: {error}")),
        ConnectError::TimedOut => {
            let said = format!("no connection to {host} port {port} within {} s", limit.as_secs());
            Finding::Failed(TIMED_OUT, said)
        }
        ConnectError::Refused(error) => {
            Finding::Failed(COMPLETE, format!("no connection to {host} port {port}: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn a_port_is_well_as_long_as_somebody_listens_there() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(matches!(tcp("127.0.0.1", port, LIMIT), Finding::Well(_)));
        drop(listener);
        assert!(matches!(tcp("127.0.0.1", port, LIMIT), Finding::Failed(COMPLETE, _)));
    }

    #[test]
    fn a_host_without_address_says_nothing_about_the_service() {
        assert!(matches!(tcp("no-such-host.invalid", 80, LIMIT), Finding::Unknown(_)));
    }
}

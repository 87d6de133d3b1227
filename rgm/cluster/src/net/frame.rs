//! What goes over a link: a length of four bytes, a kind of one, and that many bytes.
//!
//! The length is checked before anything is kept for it: the other side can't make this one set
//! memory aside by a number alone, and bytes that are no frame are found by their kind.

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes before the payload.
pub(super) const HEAD_LEN: usize = 5;

/// What is kept of a buffer once a long message has gone through it.
const KEPT_LEN: usize = 64 << 10;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Who one is: [`super::hello::Hello`] in JSON. The first frame of each side.
    Hello = 1,
    /// Why the other side is not taken, as text. The last frame.
    Refused = 2,
    /// The dialling side takes the other; messages follow.
    Welcome = 3,
    /// Still there, and what time it is there: milliseconds since 1970, eight bytes. Empty from older
    /// versions.
    Beat = 4,
    /// A message.
    Message = 5,
    /// An aside: see [`super::Hub::say`].
    Aside = 6,
}

/// What is no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    /// More than is taken.
    #[error("it sent a frame of {len} bytes; {max} are allowed")]
    TooLong {
        /// As it says.
        len: usize,
        /// As is taken.
        max: usize,
    },
    /// No kind.
    #[error("it sent a frame of the unknown kind {0}")]
    Kind(u8),
}

/// A frame as it is sent. Only as long a payload as the other side takes is given to it.
pub(super) fn encode(kind: Kind, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(HEAD_LEN + payload.len());
    frame.extend(len.to_be_bytes());
    frame.push(kind as u8);
    frame.extend(payload);
    frame
}

fn head(bytes: [u8; HEAD_LEN], max: usize) -> Result<(Kind, usize), FrameError> {
    let [a, b, c, d, kind] = bytes;
    let kind = match kind {
        1 => Kind::Hello,
        2 => Kind::Refused,
        3 => Kind::Welcome,
        4 => Kind::Beat,
        5 => Kind::Message,
        6 => Kind::Aside,
        other => return Err(FrameError::Kind(other)),
    };
    let len = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    if len > max { Err(FrameError::TooLong { len, max }) } else { Ok((kind, len)) }
}

/// Takes frames out of bytes as they come.
#[derive(Debug)]
pub(super) struct Decoder {
    bytes: Vec<u8>,
    taken: usize,
    payload_max: usize,
}

impl Decoder {
    /// Takes payloads up to this length.
    pub fn new(payload_max: usize) -> Self {
        Self { bytes: Vec::new(), taken: 0, payload_max }
    }

    /// More bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        if self.bytes.is_empty() {
            self.bytes.shrink_to(KEPT_LEN);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame, if it is there whole.
    pub fn pop(&mut self) -> Result<Option<(Kind, Vec<u8>)>, FrameError> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some((bytes, rest)) = rest.split_first_chunk::<HEAD_LEN>() else { return Ok(None) };
        let (kind, len) = head(*bytes, self.payload_max)?;
        let Some(payload) = rest.get(..len) else { return Ok(None) };
        let payload = payload.to_vec();
        self.taken += HEAD_LEN + len;
        Ok(Some((kind, payload)))
    }
}

/// The next frame, and not a byte more than it.
pub(super) async fn read_one(
    stream: &mut (impl AsyncRead + Unpin),
    payload_max: usize,
) -> io::Result<(Kind, Vec<u8>)> {
    let mut bytes = [0; HEAD_LEN];
    stream.read_exact(&mut bytes).await?;
    let (kind, len) = head(bytes, payload_max).map_err(io::Error::other)?;
    let mut payload = vec![0; len];
    stream.read_exact(&mut payload).await?;
    Ok((kind, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(decoder: &mut Decoder) -> Vec<(Kind, Vec<u8>)> {
        std::iter::from_fn(|| decoder.pop().unwrap()).collect()
    }

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
        let frames = [(Kind::Hello, &b"{}"[..]), (Kind::Beat, b""), (Kind::Message, &[7; 300])];
        let bytes: Vec<u8> = frames.iter().flat_map(|(kind, payload)| encode(*kind, payload)).collect();
        let expected: Vec<_> = frames.iter().map(|(kind, payload)| (*kind, payload.to_vec())).collect();
        for piece in [1, 2, 5, 64, bytes.len()] {
            let mut decoder = Decoder::new(300);
            let mut got = Vec::new();
            for bytes in bytes.chunks(piece) {
                decoder.push(bytes);
                got.extend(all(&mut decoder));
            }
            assert_eq!(got, expected, "{piece}");
        }
    }

    #[test]
    fn what_is_no_frame_is_found_by_its_head_alone() {
        let wrong = |bytes: &[u8]| {
            let mut decoder = Decoder::new(10);
            decoder.push(bytes);
            decoder.pop().unwrap_err()
        };
        assert_eq!(wrong(&[0, 0, 0, 11, 5]), FrameError::TooLong { len: 11, max: 10 });
        assert_eq!(wrong(b"GET / HTTP/1.1"), FrameError::Kind(b'/'));
    }
}

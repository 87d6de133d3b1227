//! What comes over rgmd's socket: any bytes are messages, or too long, and each message is a request
//! or has an answer that says why not. An input is a stream as a caller sends it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rgm_api::frame::{self, Answer, Decoder, TooLong};
use rgm_api::rgm::Request;

/// Shorter than the daemon's, so that too long messages are short enough to be found.
const LEN_MAX: usize = 2000;

fuzz_target!(|stream: &[u8]| {
    let (messages, end) = cut(stream, stream.len().max(1));
    assert_eq!(cut(stream, 7), (messages.clone(), end), "the same messages in pieces");
    for message in &messages {
        match frame::decode_call::<Request>(message) {
            Ok(call) => {
                let bytes = frame::encode_call(&call.request, call.more);
                let again = frame::decode_call::<Request>(bytes.strip_suffix(&[0]).unwrap());
                assert_eq!(again, Ok(call), "the same request again");
            }
            Err(bad) => {
                let bytes = bad.encode();
                let answer = frame::decode_answer::<Request>(bytes.strip_suffix(&[0]).unwrap());
                assert!(matches!(answer, Ok(Answer::Error { .. })), "an error a caller understands");
            }
        }
    }
});

/// The messages of a stream that comes in pieces of this size, and what ended it.
fn cut(stream: &[u8], size: usize) -> (Vec<Vec<u8>>, Result<(), TooLong>) {
    let mut decoder = Decoder::new(LEN_MAX);
    let mut messages = Vec::new();
    for piece in stream.chunks(size) {
        decoder.push(piece);
        loop {
            match decoder.pop() {
                Ok(Some(message)) => messages.push(message.to_owned()),
                Ok(None) => break,
                Err(too_long) => return (messages, Err(too_long)),
            }
        }
    }
    (messages, Ok(()))
}

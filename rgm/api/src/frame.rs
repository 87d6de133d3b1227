//! Messages: bytes to JSON objects and back, without any I/O.
//!
//! A message is one JSON object ended by one NUL byte:
//!
//! ```text
//! caller → daemon   {"method": "org.rgm.Get", "parameters": {…}, "more": true}
//! daemon → caller   {"parameters": {…}, "continues": true}
//!                   {"error": "org.rgm.Refused", "parameters": {…}}
//! ```
//!
//! The daemon trusts no byte of a call: it is bounded by [`REQUEST_LEN_MAX`], unknown methods,
//! fields and words are refused, and [`BadCall`] says which.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Longest request, in bytes: one property value of the longest kind (4 MB), each byte of it escaped
/// by another, and a MiB for everything else.
pub const REQUEST_LEN_MAX: usize = 9 << 20;

/// Longest answer, in bytes: a snapshot of some ten thousand resources. It bounds the memory of a
/// command whose daemon has lost its mind, no more.
pub const REPLY_LEN_MAX: usize = 64 << 20;

/// The error of a call whose method is not known. Parameters: `method`.
pub const METHOD_NOT_FOUND: &str = "org.varlink.service.MethodNotFound";
/// The error of a call that is not formed as it should be. Parameters: `parameter`, `reason`.
pub const INVALID_PARAMETER: &str = "org.varlink.service.InvalidParameter";

/// The words of one daemon; implemented by its request type, which serializes as
/// `{"method": …, "parameters": …}`.
pub trait Interface: Serialize + DeserializeOwned {
    /// The parameters of an answer.
    type Reply: Serialize + DeserializeOwned;
    /// The parameters of the error [`Self::REFUSED`].
    type Refusal: Serialize + DeserializeOwned;
    /// Every method there is.
    const METHODS: &'static [&'static str];
    /// The name of the error by which the daemon refuses a call it understood.
    const REFUSED: &'static str;
}

/// A message longer than agreed. The stream can't be followed any further: close it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message is longer than {len_max} bytes")]
pub struct TooLong {
    /// What was agreed.
    pub len_max: usize,
}

/// Cuts a stream of bytes into messages.
///
/// Push what was read, then take messages until there is none: memory stays within the longest
/// message and one read.
#[derive(Debug)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// Where the first message not yet taken starts.
    start: usize,
    /// Up to here, this place not included, no NUL was found.
    searched: usize,
    len_max: usize,
}

impl Decoder {
    /// A decoder of messages of at most `len_max` bytes, the NUL not counted.
    pub fn new(len_max: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, searched: 0, len_max }
    }

    /// Adds bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message, without its NUL; `None` until more bytes are pushed.
    pub fn pop(&mut self) -> Result<Option<&[u8]>, TooLong> {
        if !self.has_message()? {
            return Ok(None);
        }
        let message = self.start..self.searched;
        self.searched += 1;
        self.start = self.searched;
        Ok(self.bytes.get(message))
    }

    /// True if [`Self::pop`] has a message to give.
    pub fn has_message(&mut self) -> Result<bool, TooLong> {
        let rest = self.bytes.get(self.searched..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == 0);
        self.searched += end.unwrap_or(rest.len());
        if self.searched - self.start > self.len_max {
            return Err(TooLong { len_max: self.len_max });
        }
        Ok(end.is_some())
    }

    /// True if a message has begun and not ended.
    pub fn is_partial(&self) -> bool {
        self.start < self.bytes.len()
    }
}

/// A call as the daemon gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call<R> {
    /// What is asked.
    pub request: R,
    /// The caller wants answers marked `continues` before the last one.
    pub more: bool,
}

/// A call that can't be understood; [`BadCall::encode`] is its answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCall {
    /// Not `{"method": …, "parameters": …, "more": …}`.
    #[error("not a call: {reason}")]
    NotACall {
        /// What is wrong.
        reason: String,
    },
    /// No such method.
    #[error("no method is called {method:?}")]
    MethodNotFound {
        /// Its name.
        method: String,
    },
    /// A parameter is missing, unknown, or not of its type.
    #[error("{method}: parameter {parameter:?}: {reason}")]
    InvalidParameter {
        /// Method.
        method: String,
        /// Which one.
        parameter: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl BadCall {
    /// The message that answers it.
    pub fn encode(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct NotFound<'a> {
            method: &'a str,
        }
        #[derive(Serialize)]
        struct Invalid<'a> {
            parameter: &'a str,
            reason: &'a str,
        }
        match self {
            Self::MethodNotFound { method } => encode_error(METHOD_NOT_FOUND, &NotFound { method }),
            Self::NotACall { reason } => {
                encode_error(INVALID_PARAMETER, &Invalid { parameter: "method", reason })
            }
            Self::InvalidParameter { parameter, reason, method: _ } => {
                encode_error(INVALID_PARAMETER, &Invalid { parameter, reason })
            }
        }
    }
}

/// Any message, its NUL included.
#[expect(clippy::expect_used, reason = "all words have text as keys, and a test encodes each of them")]
pub fn encode(message: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(message).expect("words of ours are JSON");
    bytes.push(0);
    bytes
}

/// A call.
pub fn encode_call<R: Interface>(request: &R, more: bool) -> Vec<u8> {
    let mut bytes = encode(request);
    if more {
        // The request is an object with members, so one more goes before its brace.
        bytes.truncate(bytes.len().saturating_sub("}\0".len()));
        bytes.extend_from_slice(b",\"more\":true}\0");
    }
    bytes
}

/// An answer; `continues` says that another follows.
pub fn encode_reply<R: Interface>(reply: &R::Reply, continues: bool) -> Vec<u8> {
    #[derive(Serialize)]
    struct Message<'a, P> {
        parameters: &'a P,
        #[serde(skip_serializing_if = "is_false")]
        continues: bool,
    }
    encode(&Message { parameters: reply, continues })
}

/// The answer that says no.
pub fn encode_refusal<R: Interface>(refusal: &R::Refusal) -> Vec<u8> {
    encode_error(R::REFUSED, refusal)
}

fn encode_error(error: &str, parameters: &impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Message<'a, P> {
        error: &'a str,
        parameters: &'a P,
    }
    encode(&Message { error, parameters })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Understands a call, or says why not.
pub fn decode_call<R: Interface>(message: &[u8]) -> Result<Call<R>, BadCall> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Envelope<'a> {
        #[serde(borrow)]
        method: Cow<'a, str>,
        #[serde(borrow, default)]
        parameters: Option<&'a RawValue>,
        #[serde(default)]
        more: bool,
    }
    // serde would take a list of the fields' values as well.
    if message.trim_ascii_start().first() != Some(&b'{') {
        return Err(BadCall::NotACall { reason: "it is no JSON object".to_owned() });
    }
    let envelope: Envelope =
        serde_json::from_slice(message).map_err(|e| BadCall::NotACall { reason: e.to_string() })?;
    let method = envelope.method.as_ref();
    if !R::METHODS.contains(&method) {
        return Err(BadCall::MethodNotFound { method: method.to_owned() });
    }
    // The method goes first, so that its parameters are read straight into its own type.
    let parameters = envelope.parameters.map_or("{}", RawValue::get);
    if !parameters.starts_with('{') {
        let (method, parameter) = (method.to_owned(), "parameters".to_owned());
        return Err(BadCall::InvalidParameter { method, parameter, reason: "it is no object".to_owned() });
    }
    let text = format!("{{\"method\":\"{method}\",\"parameters\":{parameters}}}");
    let request = serde_json::from_str(&text).map_err(|e| BadCall::InvalidParameter {
        method: method.to_owned(),
        parameter: field_of(&text, &e),
        reason: e.to_string(),
    })?;
    Ok(Call { request, more: envelope.more })
}

/// What a daemon answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<R: Interface> {
    /// An answer.
    Reply {
        /// Its parameters.
        reply: R::Reply,
        /// Another follows.
        continues: bool,
    },
    /// Understood, and refused.
    Refused(R::Refusal),
    /// Any other error: its name, and its parameters as JSON.
    Error {
        /// Name.
        name: String,
        /// Parameters, as they came.
        parameters: String,
    },
}

/// Understands an answer. The error says what is wrong with it.
pub fn decode_answer<R: Interface>(message: &[u8]) -> Result<Answer<R>, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Envelope<'a> {
        #[serde(borrow, default)]
        parameters: Option<&'a RawValue>,
        #[serde(default)]
        continues: bool,
        #[serde(borrow, default)]
        error: Option<Cow<'a, str>>,
    }
    let envelope: Envelope = serde_json::from_slice(message).map_err(|e| e.to_string())?;
    let parameters = envelope.parameters.map_or("{}", RawValue::get);
    match envelope.error.as_deref() {
        None => serde_json::from_str(parameters)
            .map(|reply| Answer::Reply { reply, continues: envelope.continues }),
        Some(name) if name == R::REFUSED => serde_json::from_str(parameters).map(Answer::Refused),
        Some(name) => Ok(Answer::Error { name: name.to_owned(), parameters: parameters.to_owned() }),
    }
    .map_err(|e| e.to_string())
}

/// The name of the field an error is about: the one it quotes as missing or unknown, else the last
/// key of `text` before the place of the error.
fn field_of(text: &str, error: &serde_json::Error) -> String {
    let message = error.to_string();
    let quoted = ["missing field `", "unknown field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split('`').next());
    if let Some(field) = quoted {
        return field.to_owned();
    }
    let line_start: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let before = text.as_bytes().get(..line_start + error.column()).unwrap_or(text.as_bytes());
    last_key(before).unwrap_or_else(|| "parameters".to_owned())
}

/// The last `"…":` of well-formed JSON cut off anywhere.
fn last_key(json: &[u8]) -> Option<String> {
    let (mut key, mut last, mut in_string, mut escaped) = (Vec::new(), None, false, false);
    for byte in json.iter().copied() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => {
                in_string = !in_string;
                if in_string {
                    key.clear();
                }
            }
            b':' if !in_string => last = Some(String::from_utf8_lossy(&key).into_owned()),
            _ if in_string => key.push(byte),
            _ => {}
        }
    }
    last
}

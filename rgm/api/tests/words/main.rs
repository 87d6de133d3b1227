//! Every word rgmd understands, over the wire and back; and whatever else may come over it.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what is missing fails the test")]

mod examples;

use examples::{command_name, replies, requests};
use proptest::prelude::*;
use rgm_api::frame::{self, Answer, BadCall, Call, Decoder, REQUEST_LEN_MAX, TooLong};
use rgm_api::rgm::{Reply, Request};
use rgm_api::{Interface, pmf};
use rgm_types::{Refusal, SchaErr};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

const PUBLISHED: &str = include_str!("../../org.rgm.varlink");

/// The message of a frame, without its NUL.
fn bare(bytes: &[u8]) -> &[u8] {
    let (last, message) = bytes.split_last().unwrap();
    assert_eq!(*last, 0);
    assert!(!message.contains(&0));
    message
}

fn decode(message: &str) -> Result<Call<Request>, BadCall> {
    frame::decode_call(message.as_bytes())
}

fn method_of(request: &Request) -> String {
    let bytes = frame::encode(request);
    let object: serde_json::Value = serde_json::from_slice(bare(&bytes)).unwrap();
    object["method"].as_str().unwrap().to_owned()
}

#[test]
fn every_request_comes_back_as_it_was_sent() {
    for request in requests() {
        for more in [false, true] {
            let bytes = frame::encode_call(&request, more);
            assert_eq!(frame::decode_call(bare(&bytes)), Ok(Call { request: request.clone(), more }));
        }
    }
}

#[test]
fn every_answer_comes_back_as_it_was_sent() {
    for reply in replies() {
        for continues in [false, true] {
            let bytes = frame::encode_reply::<Request>(&reply, continues);
            let answer = frame::decode_answer::<Request>(bare(&bytes)).unwrap();
            assert_eq!(answer, Answer::Reply { reply: reply.clone(), continues });
        }
    }
    let mut refusal = Refusal::new(SchaErr::Prop, "no", "yes");
    refusal.output = vec!["a\0b".to_owned(), "\u{1f600}".to_owned()];
    let bytes = frame::encode_refusal::<Request>(&refusal);
    assert_eq!(frame::decode_answer::<Request>(bare(&bytes)), Ok(Answer::Refused(refusal)));
}

#[test]
fn the_published_interface_names_every_method_and_every_command() {
    let methods: BTreeSet<String> = PUBLISHED
        .lines()
        .filter_map(|line| Some(format!("org.rgm.{}", line.strip_prefix("method ")?.split_once('(')?.0)))
        .collect();
    let known: BTreeSet<String> = Request::METHODS.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(methods, known);
    assert_eq!(requests().iter().map(method_of).collect::<BTreeSet<_>>(), known);

    let (_, commands) = PUBLISHED.split_once("type Command (").unwrap();
    let (commands, _) = commands.split_once("\n)").unwrap();
    let published: BTreeSet<&str> =
        commands.lines().filter_map(|line| Some(line.trim().split_once(": ?(")?.0)).collect();
    let known: BTreeSet<&str> = requests().iter().filter_map(command_name).collect();
    assert_eq!(published, known);
}

#[test]
fn every_method_of_either_daemon_is_understood_to_exist() {
    fn check<R: Interface>() {
        for method in R::METHODS {
            let call = format!("{{\"method\":\"{method}\",\"parameters\":{{\"no such field\":1}}}}");
            let error = frame::decode_call::<R>(call.as_bytes()).map(|_| ()).unwrap_err();
            assert!(matches!(error, BadCall::InvalidParameter { .. }), "{method}: {error:?}");
            assert!(!error.to_string().contains("unknown variant `org"), "{error}");
        }
    }
    check::<Request>();
    check::<pmf::Request>();
}

#[test]
fn an_unknown_method_is_named_in_the_answer() {
    let error = decode(r#"{"method":"org.rgm.Explode","parameters":{}}"#).unwrap_err();
    assert_eq!(
        String::from_utf8(error.encode()).unwrap(),
        "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":\"org.rgm.Explode\"}}\0"
    );
}

#[test]
fn a_wrong_parameter_is_named_in_the_answer() {
    let cases = [
        (r#"{"cluster":{}}"#, "tag", "missing field `tag`"),
        (r#"{"cluster":{"tag":"X","size":1}}"#, "size", "unknown field `size`"),
        (r#"{"cluster":{"tag":3}}"#, "tag", "invalid type: integer `3`, expected a string"),
        ("{\n\"type\":{\"type_name\":\"a:\\\"b\",\n\"tag\":[]}}", "tag", "invalid type: sequence"),
        (r#"{"planet":{"tag":"X"}}"#, "parameters", "unknown variant `planet`"),
        ("[]", "parameters", "it is no object"),
    ];
    for (parameters, field, text) in cases {
        let message = format!("{{\"method\":\"org.rgm.Get\",\"parameters\":{parameters}}}");
        let BadCall::InvalidParameter { method, parameter, reason } = decode(&message).unwrap_err() else {
            unreachable!("{message}")
        };
        assert_eq!((method.as_str(), parameter.as_str()), ("org.rgm.Get", field), "{message}: {reason}");
        assert!(reason.contains(text), "{message}: {reason}");
    }
}

#[test]
fn names_that_break_their_rules_are_refused_before_anyone_sees_them() {
    let call = r#"{"method":"org.rgm.Change","parameters":{"command":{"group_delete":{"name":"a/../b"}}}}"#;
    let error = decode(call).unwrap_err();
    assert!(error.to_string().contains("the name contains '/'"), "{error}");
}

#[test]
fn what_is_not_a_call_is_refused_whole() {
    for message in [
        "",
        "{}",
        "null",
        "[\"org.rgm.Info\"]",
        r#"{"method":"org.rgm.Info","more":1}"#,
        r#"{"method":"org.rgm.Info","oneway":true}"#,
        r#"{"method":"org.rgm.Info"} {"method":"org.rgm.Info"}"#,
        r#"{"method":"org.rgm.Info","method":"org.rgm.Snapshot"}"#,
    ] {
        let error = decode(message).unwrap_err();
        assert!(matches!(error, BadCall::NotACall { .. }), "{message}: {error:?}");
    }
    assert_eq!(
        frame::decode_call::<Request>(b"{\"method\":\"\xff\"}").unwrap_err().encode().last(),
        Some(&0),
        "text that is no UTF-8 has an answer too"
    );
}

#[test]
fn parameters_may_be_left_out_where_there_are_none() {
    let call = Call { request: Request::Info {}, more: false };
    assert_eq!(decode(r#"{"method":"org.rgm.Info"}"#), Ok(call.clone()));
    assert_eq!(decode(r#" {"more":false,"parameters":{},"method":"org.rgm.Info"} "#), Ok(call));
    assert!(decode(r#"{"method":"org.rgm.Get"}"#).is_err());
}

#[test]
fn values_nested_beyond_reason_are_refused_without_recursing() {
    let mut message = "{\"method\":\"org.rgm.Get\",\"parameters\":".to_owned();
    message.push_str(&"[".repeat(1 << 20));
    assert!(decode(&message).is_err());
    message.push_str(&"]".repeat(1 << 20));
    message.push('}');
    assert!(decode(&message).is_err());
}

#[test]
fn a_message_longer_than_agreed_is_refused_when_it_is_too_long_not_when_it_ends() {
    let mut decoder = Decoder::new(10);
    decoder.push(b"0123456789");
    assert_eq!(decoder.pop(), Ok(None));
    decoder.push(b"\0abc\0");
    assert_eq!(decoder.pop(), Ok(Some(&b"0123456789"[..])));
    assert_eq!(decoder.pop(), Ok(Some(&b"abc"[..])));
    assert!(!decoder.is_partial());
    decoder.push(b"0123456789");
    assert!(decoder.is_partial());
    assert_eq!(decoder.pop(), Ok(None));
    decoder.push(b"a");
    assert_eq!(decoder.pop(), Err(TooLong { len_max: 10 }));
    decoder.push(b"\0");
    assert_eq!(decoder.pop(), Err(TooLong { len_max: 10 }), "and stays so");
    let mut decoder = Decoder::new(10);
    decoder.push(b"0123456789a\0b\0");
    assert_eq!(decoder.pop(), Err(TooLong { len_max: 10 }));
}

#[test]
fn the_longest_value_fits_into_a_request() {
    let text = "\"\n".repeat(rgm_types::value::VALUE_LEN_MAX / 2);
    let (file, installed_nodes, dry_run) = ("f".to_owned(), None, false);
    let request = Request::RegisterType { file, text, installed_nodes, dry_run };
    let bytes = frame::encode_call(&request, true);
    let mut decoder = Decoder::new(REQUEST_LEN_MAX);
    decoder.push(&bytes);
    let call = frame::decode_call::<Request>(decoder.pop().unwrap().unwrap()).unwrap();
    assert!(call.request == request);
}

/// Messages a decoder cuts out of pieces.
fn cut<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::new(REQUEST_LEN_MAX);
    let mut messages = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        while let Some(message) = decoder.pop().unwrap() {
            messages.push(message.to_owned());
        }
    }
    messages
}

#[test]
fn requests_fed_byte_by_byte_and_all_at_once_are_the_same() {
    let bytes: Vec<u8> = requests().iter().flat_map(|r| frame::encode_call(r, false)).collect();
    let messages = cut(bytes.chunks(1));
    assert_eq!(messages, cut([bytes.as_slice()].into_iter()));
    let calls = messages.iter().map(|message| frame::decode_call::<Request>(message).unwrap().request);
    assert_eq!(calls.collect::<Vec<_>>(), requests());
}

/// What the fuzz target of the daemon's decoder starts from: a file for each request.
/// `RGM_WRITE_CORPUS=1` writes what is missing or has changed.
#[test]
fn the_fuzz_corpus_has_every_request_as_it_is_sent_now() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/call");
    for (number, request) in requests().iter().enumerate() {
        let method = method_of(request).replace("org.rgm.", "");
        let name = command_name(request).map_or_else(|| format!("{method}-{number}"), str::to_owned);
        let (path, bytes) = (corpus.join(name), frame::encode_call(request, number % 2 == 0));
        if std::env::var_os("RGM_WRITE_CORPUS").is_some() {
            std::fs::write(&path, &bytes).unwrap();
        }
        let kept = std::fs::read(&path).unwrap_or_default();
        assert!(kept == bytes, "{}: write it with RGM_WRITE_CORPUS=1", path.display());
    }
}

proptest! {
    #[test]
    fn a_stream_split_anywhere_gives_the_same_messages(
        messages in prop::collection::vec(prop::collection::vec(1_u8.., 0..40), 0..20),
        sizes in prop::collection::vec(1_usize..30, 1..50),
    ) {
        let stream: Vec<u8> =
            messages.iter().flat_map(|m| m.iter().copied().chain([0])).collect();
        let mut rest = stream.as_slice();
        let pieces = sizes.into_iter().cycle().map_while(|size| {
            let (piece, behind) = rest.split_at(size.min(rest.len()));
            rest = behind;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(cut(pieces), messages);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = frame::decode_answer::<Request>(&bytes);
        if let Err(bad) = frame::decode_call::<Request>(&bytes) {
            let answer = bad.encode();
            prop_assert!(frame::decode_answer::<Request>(bare(&answer)).is_ok());
        }
    }

    #[test]
    fn a_request_with_any_byte_changed_is_understood_or_answered(
        which in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let requests = requests();
        let mut bytes = frame::encode_call(which.get(&requests), true);
        bytes.pop();
        *place.get_mut(&mut bytes) = byte;
        if let Err(bad) = frame::decode_call::<Request>(&bytes) {
            let answer = bad.encode();
            prop_assert!(frame::decode_answer::<Request>(bare(&answer)).is_ok());
        }
    }
}

#[test]
fn answers_of_the_daemon_to_bad_calls_are_short() {
    let mut parameters = String::new();
    for number in 0..10_000 {
        write!(parameters, "{}\"a{number}\":1", if number == 0 { "" } else { "," }).unwrap();
    }
    let error =
        decode(&format!("{{\"method\":\"org.rgm.Info\",\"parameters\":{{{parameters}}}}}")).unwrap_err();
    assert!(error.encode().len() < 1000);
    assert!(matches!(replies().first(), Some(Reply::Value(_))));
}

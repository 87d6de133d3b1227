//! How an answer is printed (reference 8.1).

use rgm_types::{GetValue, PropType};
use serde_json::{Value as Json, json};

/// As scripts read it, or as programs do.
pub fn answer(value: &GetValue, as_json: bool) -> String {
    if as_json { json(value) } else { text(value) }
}

/// As scripts read it.
pub fn text(value: &GetValue) -> String {
    match value {
        GetValue::Text(text) => format!("{text}\n"),
        GetValue::Number(number) => format!("{number}\n"),
        GetValue::List(list) => lines(list),
        GetValue::Extension { prop_type, lines: list } => format!("{}\n{}", prop_type.word(), lines(list)),
        GetValue::Status { status, message } => format!("{status}\n{message}\n"),
    }
}

/// As programs read it.
pub fn json(value: &GetValue) -> String {
    let object = match value {
        GetValue::Text(text) => json!({ "value": text }),
        GetValue::Number(number) => json!({ "value": number }),
        GetValue::List(list) => json!({ "value": list }),
        GetValue::Extension { prop_type, lines } => {
            json!({ "type": prop_type.word(), "value": typed(*prop_type, lines) })
        }
        GetValue::Status { status, message } => json!({ "status": status.word(), "message": message }),
    };
    format!("{object}\n")
}

fn lines(list: &[String]) -> String {
    list.iter().flat_map(|line| [line, "\n"]).collect()
}

fn typed(prop_type: PropType, lines: &[String]) -> Json {
    let text = lines.first().map(String::as_str).unwrap_or_default();
    match prop_type {
        PropType::StringArray => json!(lines),
        PropType::Int => text.parse::<i64>().map_or_else(|_| json!(text), |n| json!(n)),
        PropType::Boolean => json!(text == "TRUE"),
        PropType::String | PropType::Enum => json!(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rgm_types::Status;

    fn extension(prop_type: PropType, lines: &[&str]) -> GetValue {
        GetValue::Extension { prop_type, lines: lines.iter().map(|l| (*l).to_owned()).collect() }
    }

    #[test]
    fn every_kind_of_answer_has_its_format() {
        let list = |l: &[&str]| GetValue::List(l.iter().map(|l| (*l).to_owned()).collect());
        let message = |m: &str| GetValue::Status { status: Status::Degraded, message: m.to_owned() };
        let cases = [
            (GetValue::Text("SUNW.sample".into()), "SUNW.sample\n", r#"{"value":"SUNW.sample"}"#),
            (GetValue::Text(String::new()), "\n", r#"{"value":""}"#),
            (GetValue::Number(-1), "-1\n", r#"{"value":-1}"#),
            (list(&["phys-1", "phys-2"]), "phys-1\nphys-2\n", r#"{"value":["phys-1","phys-2"]}"#),
            (list(&[]), "", r#"{"value":[]}"#),
            (
                extension(PropType::String, &["/etc/my dns"]),
                "STRING\n/etc/my dns\n",
                r#"{"type":"STRING","value":"/etc/my dns"}"#,
            ),
            (extension(PropType::Int, &["30"]), "INT\n30\n", r#"{"type":"INT","value":30}"#),
            (
                extension(PropType::Boolean, &["TRUE"]),
                "BOOLEAN\nTRUE\n",
                r#"{"type":"BOOLEAN","value":true}"#,
            ),
            (extension(PropType::Enum, &["b"]), "ENUM\nb\n", r#"{"type":"ENUM","value":"b"}"#),
            (
                extension(PropType::StringArray, &["a", "b"]),
                "STRINGARRAY\na\nb\n",
                r#"{"type":"STRINGARRAY","value":["a","b"]}"#,
            ),
            (extension(PropType::StringArray, &[]), "STRINGARRAY\n", r#"{"type":"STRINGARRAY","value":[]}"#),
            (message("slow"), "DEGRADED\nslow\n", r#"{"message":"slow","status":"DEGRADED"}"#),
            (message(""), "DEGRADED\n\n", r#"{"message":"","status":"DEGRADED"}"#),
        ];
        for (value, plain, object) in cases {
            assert_eq!(text(&value), plain);
            assert_eq!(json(&value), format!("{object}\n"));
        }
    }
}

//! What is said about files: one file a rule, all of its diagnostics as a human reads them.
//!
//! `INSTA_UPDATE=always cargo test -p rtr-parser` writes the snapshots anew.
#![expect(clippy::expect_used, reason = "the helpers of a test, too, fail by panicking")]

use rtr_parser::{Code, Parsed, Severity};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The files of a folder beside this one, by name.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn parse(file: &Path) -> (String, Parsed) {
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    let parsed = rtr_parser::parse(&name, &fs::read(file).expect("the file"));
    (name, parsed)
}

fn rendered(parsed: &Parsed) -> String {
    parsed.diagnostics.iter().map(|d| format!("{d}\n")).collect()
}

#[test]
fn every_rule_of_rejection_says_what_to_write_instead() {
    let mut all = String::new();
    for file in files("rejects") {
        let (name, parsed) = parse(&file);
        assert!(parsed.has_errors(), "{name} is taken");
        assert!(parsed.resource_type.is_none(), "{name}");
        assert!(parsed.diagnostics.iter().all(|d| !d.help.is_empty()), "{name}: no help");
        writeln!(all, "==== {name}\n\n{}", rendered(&parsed)).expect("a string");
    }
    insta::assert_snapshot!("rejects", all);
}

#[test]
fn odd_files_are_taken_and_printed_in_canonical_form() {
    let mut all = String::new();
    for file in files("accepts") {
        let (name, parsed) = parse(&file);
        assert!(!parsed.has_errors(), "{}", rendered(&parsed));
        assert!(parsed.resource_type.is_some(), "{name}");
        let canonical = rtr_parser::format(&parsed.declarations);
        let again = rtr_parser::parse(&name, canonical.as_bytes());
        assert_eq!(again.declarations, parsed.declarations, "{name}");
        assert_eq!(rtr_parser::format(&again.declarations), canonical, "{name}");
        assert_eq!(again.resource_type, parsed.resource_type, "{name}");
        writeln!(all, "==== {name}\n\n{}{canonical}", rendered(&parsed)).expect("a string");
    }
    insta::assert_snapshot!("accepts", all);
}

#[test]
fn every_code_is_said_about_one_of_the_files() {
    let mut said: BTreeSet<Code> = BTreeSet::new();
    for file in files("rejects").into_iter().chain(files("accepts")) {
        said.extend(parse(&file).1.diagnostics.iter().map(|d| d.code));
    }
    let unsaid: Vec<&Code> = Code::ALL.iter().filter(|code| !said.contains(code)).collect();
    assert_eq!(unsaid, [&Code::FileTooLong, &Code::TooMany], "these two have tests of their own");
}

#[test]
fn a_file_that_is_too_long_is_refused_as_a_whole() {
    let parsed = rtr_parser::parse("long", &vec![b' '; rtr_parser::FILE_LEN_MAX + 1]);
    assert_eq!(parsed.diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), [Code::FileTooLong]);
}

#[test]
fn a_flood_of_errors_ends_with_their_number_and_a_flood_of_warnings_hides_no_error() {
    let parsed = rtr_parser::parse("flood", "“x”}".repeat(5000).as_bytes());
    let errors = parsed.diagnostics.iter().filter(|d| d.severity == Severity::Error);
    assert!(errors.count() <= 1001);
    assert_eq!(parsed.diagnostics.last().map(|d| d.code), Some(Code::TooMany));
}

#[test]
fn a_diagnostic_in_json_has_its_place_in_fields() {
    let parsed =
        rtr_parser::parse("f.rtr", b"Resource_type = \"t\"\nRT_version = 1;\nSTART = /a;\nSTOP = /b;\n");
    let json = serde_json::to_string(&parsed.diagnostics).expect("serialisable");
    let expected = concat!(
        r#"[{"severity":"error","code":"rtr::missing_stop","file":"f.rtr","line":1,"column":20,"length":1,"#,
        r#""source_line":"Resource_type = \"t\"","source_offset":0,"#,
        r#""message":"`;` is missing behind `\"t\"`","help":"write `Resource_type = \"t\";`"}]"#,
    );
    assert_eq!(json, expected);
}

#[test]
fn in_a_very_long_line_only_the_surroundings_of_the_error_are_shown() {
    let text = format!("Resource_type = t; {} COLOUR = red; {}", " ".repeat(5000), " x".repeat(5000));
    let parsed = rtr_parser::parse("f.rtr", text.as_bytes());
    let colour = parsed.diagnostics.iter().find(|d| d.column == 5021).expect("the unknown property");
    assert!(colour.source_line.chars().count() <= 240);
    let shown: String =
        colour.source_line.chars().skip(colour.column - 1 - colour.source_offset).take(6).collect();
    assert_eq!(shown, "COLOUR");
}

//! What holds of every file.

use proptest::prelude::*;
use rgm_types::{Method, UpgradeTunability};
use rtr_parser::tree::{
    AttrKey, Attribute, Comments, Entry, Span, Spanned, TypeKey, TypeProperty, Upgrade, UpgradeFrom,
};
use rtr_parser::{Declarations, Parsed, parse};

/// Most characters and tokens looked at for one byte of a file, whatever it contains.
const WORK_PER_BYTE: usize = 12;

fn check(bytes: &[u8]) -> Parsed {
    let parsed = parse("f", bytes);
    assert!(parsed.work <= WORK_PER_BYTE * bytes.len() + 16, "{} for {} bytes", parsed.work, bytes.len());
    assert_eq!(parsed.resource_type.is_some(), !parsed.has_errors());
    for diagnostic in &parsed.diagnostics {
        assert!(diagnostic.line > 0 && diagnostic.column > 0 && diagnostic.length > 0);
        assert!(!diagnostic.to_string().is_empty());
    }
    if !parsed.has_errors() {
        let canonical = rtr_parser::format(&parsed.declarations);
        let again = parse("f", canonical.as_bytes());
        assert!(!again.has_errors(), "{canonical}\n{:?}", again.diagnostics);
        assert_eq!(again.declarations, parsed.declarations);
        assert_eq!(again.resource_type, parsed.resource_type);
        assert_eq!(rtr_parser::format(&again.declarations), canonical);
    }
    parsed
}

/// Pieces of files, in no order.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "Resource_type = t;",
        "RT_version = 1;",
        "START = /a;",
        "STOP = /b;",
        "{ PROPERTY = Stop_timeout;",
        "}",
        "{",
        ";",
        "=",
        ",",
        "\"",
        "“",
        "”",
        "#",
        "#$",
        "#$upgrade\n",
        "#$upgrade_from \"1\" anytime",
        "\n",
        "\r",
        " ",
        "\t",
        "ENUM {",
        "ENUM { a, b };",
        "EXTENSION;",
        "STRING;",
        "INT",
        "DEFAULT =",
        "MIN = -1;",
        "a",
        "é",
        "\u{a0}",
        "\u{feff}",
        "\0",
        "TUNABLE = true;",
        "PER_NODE;",
        "x\ny",
        "DESCRIPTION = \"a # b\";",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = Spanned<String>> {
    prop_oneof!["[A-Za-z0-9_/.()-]{0,8}", "[ -!#-~]{0,12}", "[a-zé“\u{a0}\u{3000} ;#,]{1,6}",]
        .prop_map(spanned)
}

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned { value, span: Span::default() }
}

fn comment() -> impl Strategy<Value = String> {
    "# ?[a-z\"“;{}=é]{0,8}".prop_map(|text| text.trim_end().to_owned())
}

/// Lines of comments with a gap here and there, none at the start or twice.
fn lines(gap_at_end: bool) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec((comment(), any::<bool>()), 0..3).prop_map(move |lines| {
        let mut all = Vec::new();
        for (line, gap) in lines {
            all.push(line);
            if gap {
                all.push(String::new());
            }
        }
        if !gap_at_end && all.last().is_some_and(String::is_empty) {
            all.pop();
        }
        all
    })
}

fn comments() -> impl Strategy<Value = Comments> {
    (lines(true), prop::option::of(comment())).prop_map(|(before, trailing)| Comments { before, trailing })
}

fn type_property() -> impl Strategy<Value = TypeProperty> {
    let keys = vec![
        TypeKey::VendorId,
        TypeKey::RtDescription,
        TypeKey::RtVersion,
        TypeKey::RtBasedir,
        TypeKey::Pkglist,
        TypeKey::Failover,
        TypeKey::Method(Method::Start),
        TypeKey::Method(Method::MonitorCheck),
    ];
    (prop::sample::select(keys), prop::collection::vec(value(), 1..4), comments()).prop_map(
        |(key, values, comments)| {
            let values = if key == TypeKey::Failover { vec![spanned("FALSE".to_owned())] } else { values };
            TypeProperty { comments, key: spanned(key), values }
        },
    )
}

fn attribute() -> impl Strategy<Value = Attribute> {
    (prop::sample::select(AttrKey::ALL.to_vec()), prop::collection::vec(value(), 1..4), comments()).prop_map(
        |(key, values, comments)| {
            let values = match key {
                AttrKey::Extension | AttrKey::PerNode => vec![spanned("TRUE".to_owned())],
                AttrKey::String | AttrKey::Boolean | AttrKey::Int | AttrKey::StringArray => Vec::new(),
                AttrKey::Tunable => vec![spanned("ANYTIME".to_owned())],
                AttrKey::Enum
                | AttrKey::Default
                | AttrKey::Min
                | AttrKey::Max
                | AttrKey::Minlength
                | AttrKey::Maxlength
                | AttrKey::ArrayMinsize
                | AttrKey::ArrayMaxsize
                | AttrKey::Description => values,
            };
            Attribute { comments, key: spanned(key), values }
        },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    let names = (comments(), comments(), "[a-z]{1,5}[0-9]".prop_map(spanned));
    (names, prop::collection::vec(attribute(), 0..5), lines(false)).prop_map(
        |((comments, name_comments, name), attributes, end)| Entry {
            comments,
            name_comments,
            name,
            attributes,
            end,
        },
    )
}

fn upgrade() -> impl Strategy<Value = Upgrade> {
    let from = (comments(), value()).prop_map(|(comments, version)| UpgradeFrom {
        comments,
        version,
        tunability: UpgradeTunability::WhenOffline,
    });
    (comments(), prop::collection::vec(from, 0..3)).prop_map(|(comments, from)| Upgrade { comments, from })
}

fn declarations() -> impl Strategy<Value = Declarations> {
    let properties = prop::collection::vec(type_property(), 0..6);
    let entries = prop::collection::vec(entry(), 0..4);
    (comments(), properties, prop::option::of(upgrade()), entries, lines(false)).prop_map(
        |(comments, properties, upgrade, entries, end)| {
            let key = spanned(TypeKey::ResourceType);
            let mut type_properties =
                vec![TypeProperty { comments, key, values: vec![spanned("t".to_owned())] }];
            for property in properties {
                if type_properties.iter().all(|p| p.key != property.key) {
                    type_properties.push(property);
                }
            }
            Declarations { type_properties, upgrade, entries, end }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn arbitrary_bytes_are_read_without_panic_in_linear_work(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        check(&bytes);
    }

    #[test]
    fn pieces_of_files_in_any_order_are_read_without_panic_in_linear_work(text in soup()) {
        check(text.as_bytes());
    }

    #[test]
    fn a_file_cut_off_or_damaged_anywhere_is_read_to_its_end(at in 0usize..2000, byte in any::<u8>()) {
        let mut bytes = include_bytes!("../../samples/SUNW.sample").to_vec();
        check(&bytes[..at.min(bytes.len())]);
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        check(&bytes);
    }

    #[test]
    fn what_is_printed_is_what_is_parsed(declarations in declarations()) {
        let text = rtr_parser::format(&declarations);
        let parsed = parse("f", text.as_bytes());
        prop_assert_eq!(&parsed.declarations, &declarations, "{}", text);
        prop_assert_eq!(rtr_parser::format(&parsed.declarations), text);
    }
}

#[test]
fn no_pattern_repeated_costs_more_than_its_length() {
    let patterns = [
        "{",
        "}",
        "{ PROPERTY = A; ",
        "ENUM {",
        "{ENUM {",
        "\"",
        "“",
        "\"“",
        "“\n",
        "\"\n",
        "\"\n;",
        "\"a\n\" ",
        "a ",
        "a,",
        "a=",
        "a = b ",
        "a = b\n",
        "=",
        ",",
        ";",
        "#",
        "#\n",
        "a #\n",
        "#$",
        "#$\n",
        "#$upgrade ",
        "a = \"b\" ",
        "EXTENSION ",
        "{ PROPERTY = A; EXTENSION; STRING; }",
        "RT_version = ",
        "a#",
        "\r",
        "\u{a0}",
        "é",
    ];
    for pattern in patterns {
        for before in ["", "Resource_type = ", "{ PROPERTY = A; ENUM { ", "{ DEFAULT = "] {
            check(format!("{before}{}", pattern.repeat(400)).as_bytes());
        }
    }
}

//! Registration files: nothing panics, the work is linear, and what parses survives being printed.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let parsed = rtr_parser::parse("fuzz", bytes);
    assert!(parsed.work <= 12 * bytes.len() + 16);
    assert_eq!(parsed.resource_type.is_some(), !parsed.has_errors());
    for diagnostic in &parsed.diagnostics {
        assert!(!diagnostic.to_string().is_empty());
    }
    if parsed.has_errors() {
        return;
    }
    let canonical = rtr_parser::format(&parsed.declarations);
    let again = rtr_parser::parse("fuzz", canonical.as_bytes());
    assert!(!again.has_errors(), "{canonical}");
    assert_eq!(again.declarations, parsed.declarations, "{canonical}");
    assert_eq!(again.resource_type, parsed.resource_type, "{canonical}");
    assert_eq!(rtr_parser::format(&again.declarations), canonical);
});

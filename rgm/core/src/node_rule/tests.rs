use super::*;
use alloc::string::ToString;
use alloc::vec;
use rgm_types::Lifetime;

fn node() -> NodeName {
    NodeName::new("phys-1").unwrap()
}

fn attrs(pairs: &[(&str, &str)]) -> Attrs {
    let mut attrs = Attrs::default();
    for (name, value) in pairs {
        attrs.of_mut(Lifetime::Reboot).insert(AttrName::new(name).unwrap(), (*value).to_string());
    }
    attrs
}

fn holds(rule: &str, pairs: &[(&str, &str)]) -> bool {
    let rule = parse(rule).unwrap().unwrap();
    rule.holds(&node(), Some(&attrs(pairs)))
}

fn fault(rule: &str) -> String {
    let Fault { column, what } = parse(rule).unwrap_err();
    format!("{column}: {what}")
}

#[test]
fn numbers_compare_as_numbers_and_everything_else_as_versions() {
    for (value, rule, expected) in [
        ("9", "x < 10", true),
        ("-5", "x < 3", true),
        ("-5", "x < -10", false),
        ("01", "x = 1", true),
        ("+1", "x = 1", true),
        ("1.9", "x < 1.10", true),
        ("1.10.2", "x >= 1.10", true),
        ("0.5", "x < 0.25", true),
        ("web9", "x < web10", true),
        ("web09", "x = web9", false),
        ("web09", "x != web9", true),
        ("abc", "x < abd", true),
        ("ab", "x < abc", true),
        ("abc", "x <= ab", false),
        ("Sync", "x = sync", false),
        ("STREAMING|SYNC", "x = 'STREAMING|SYNC'", true),
        ("99999999999999999999", "x > 9999999999999999999", true),
        ("99999999999999999999", "x = 99999999999999999999", true),
        ("a b", "x = \"a b\"", true),
        ("1", "x == 1", true),
        ("2", "x != 1", true),
        ("1", "x >= 1", true),
        ("1", "x > 1", false),
        ("1", "x <= 1", true),
    ] {
        assert_eq!(holds(rule, &[("x", value)]), expected, "{value}: {rule}");
    }
}

#[test]
fn what_is_not_there_is_unequal_to_everything_and_what_is_empty_has_no_place_in_an_order() {
    for (rule, undefined, empty) in [
        ("x = 1", false, false),
        ("x != 1", true, true),
        ("x = ''", false, true),
        ("x != ''", true, false),
        ("x < 1", false, false),
        ("x <= 1", false, false),
        ("x > -1", false, false),
        ("x >= ''", false, false),
        ("defined(x)", false, true),
        ("not_defined(x)", true, false),
        ("not defined(x)", true, false),
    ] {
        assert_eq!(holds(rule, &[]), undefined, "undefined: {rule}");
        assert_eq!(holds(rule, &[("x", "")]), empty, "empty: {rule}");
        assert_eq!(parse(rule).unwrap().unwrap().holds(&node(), None), undefined, "no attributes: {rule}");
    }
}

#[test]
fn and_binds_closer_than_or_and_not_closest() {
    let at = |rule: &str| holds(rule, &[("a", "1"), ("b", "0")]);
    assert!(at("a = 1 or b = 1 and b = 2"));
    assert!(!at("(a = 1 or b = 1) and b = 2"));
    assert!(at("not b = 1 and a = 1"));
    assert!(!at("not (b = 0 or a = 0)"));
    assert!(at("NOT not a=1 AND (((b=0)))"));
    assert!(at("not a = 1 or b = 0"));
    assert!(at("#node = phys-1 and a=1") && !at("#node = phys-2") && at("#node < phys-10"));
}

#[test]
fn an_empty_rule_is_no_rule_and_a_rule_knows_what_it_mentions() {
    assert_eq!(parse("  ").unwrap(), None);
    let rule = parse("a = 1 and (not_defined(b:0) or #node != c)").unwrap().unwrap();
    assert!(rule.mentions("a") && rule.mentions("b:0") && !rule.mentions("c"));
    let seen = rule.seen(Some(&attrs(&[("a", "no \"1\"")])));
    assert_eq!(
        seen,
        "Node_rule \"a = 1 and (not_defined(b:0) or #node != c)\" is false there: \
         a is \"no \\\"1\\\"\", b:0 is not defined"
    );
}

#[test]
fn a_fault_is_told_with_its_place() {
    for (rule, expected) in [
        ("a", "2: one of = != < <= > >= is expected"),
        ("a =", "4: a value is expected, as a word or in quotes"),
        ("a = (b)", "5: a value is expected, as a word or in quotes"),
        ("a = 1 b = 2", "7: \"and\", \"or\" or the end is expected"),
        ("a = 1 and", "10: the name of an attribute is expected"),
        ("and = 1", "1: the name of an attribute is expected, not \"and\""),
        ("(a = 1", "7: ) is expected"),
        ("a = 1)", "6: \"and\", \"or\" or the end is expected"),
        ("defined a", "9: ( is expected"),
        ("defined(1)", "9: \"1\": the name starts with '1'; it must start with a letter"),
        ("a = 'b", "5: the text has no closing '"),
        ("#uname = b", "1: #uname is not known; there is #node"),
        ("é = 1 ; b", "7: ';' belongs to no word, operator or text"),
        ("a ! 1", "3: '!' belongs to no word, operator or text"),
    ] {
        assert_eq!(fault(rule), expected, "{rule}");
    }
}

#[test]
fn a_rule_has_its_limits() {
    let deep = |n: usize| format!("{}a = 1{}", "(".repeat(n), ")".repeat(n));
    assert!(parse(&deep(31)).is_ok());
    assert_eq!(fault(&deep(32)), "33: it is nested deeper than 32");
    assert!(fault(&"not ".repeat(100)).ends_with("nested deeper than 32"));
    let long = vec!["a = 1"; 600].join(" or ");
    assert_eq!(fault(&long), "1: the rule is longer than 4096 bytes");
    assert!(parse(&vec!["a = 1"; 400].join(" or ")).is_ok());
}

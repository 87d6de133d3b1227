//! What dependencies and affinities say.

use super::*;

#[test]
fn a_dependency_reads_name_node_and_qualifier() {
    let dep = Dep::parse("db@phys-1{any_node}", Flavour::Weak).unwrap();
    assert_eq!((dep.on.as_str(), dep.reach), ("db", Reach::AnyNode));
    assert_eq!(dep.at.as_ref().map(NodeName::as_str), Some("phys-1"));
    assert_eq!(Dep::parse("db", Flavour::Strong).unwrap().reach, Reach::FromAffinities);
    for wrong in ["db{SOMEWHERE}", "db{ANY_NODE", "@n", ""] {
        assert!(Dep::parse(wrong, Flavour::Strong).is_err(), "{wrong}");
    }
}

#[test]
fn an_affinity_reads_its_sign() {
    for (text, liking) in [
        ("+a", Liking::WeakPositive),
        ("++a", Liking::StrongPositive),
        ("+++a", Liking::Delegating),
        ("-a", Liking::WeakNegative),
        ("--a", Liking::StrongNegative),
    ] {
        let affinity = Affinity::parse(text).unwrap();
        assert_eq!((affinity.liking, affinity.target.as_str()), (liking, "a"));
        assert_eq!(alloc::format!("{}a", liking.sign()), text);
    }
    assert!(Affinity::parse("a").is_err());
    assert!(Affinity::parse("++++a").is_err());
}

//! What comes before what, because one needs the other.

use rgm_types::{ResourceName, Value};

/// The properties by which a resource names others.
pub const DEPENDENCIES: [&str; 5] = [
    "Resource_dependencies",
    "Resource_dependencies_weak",
    "Resource_dependencies_restart",
    "Resource_dependencies_offline_restart",
    "Network_resources_used",
];

/// The resource that an element of such a property names: it may carry a qualifier in braces or
/// behind an `@`.
pub fn named(element: &str) -> &str {
    element.split(['{', '@']).next().unwrap_or(element).trim()
}

/// The resources that these properties name.
pub fn needs<'a>(props: impl Iterator<Item = (&'a str, &'a Value)>) -> Vec<ResourceName> {
    props
        .filter(|(name, _)| DEPENDENCIES.iter().any(|known| known.eq_ignore_ascii_case(name)))
        .filter_map(|(_, value)| value.list())
        .flatten()
        .filter_map(|element| ResourceName::new(named(element)).ok())
        .collect()
}

/// Items, each behind those it needs; otherwise in the order given. Of a circle, which can't be, the
/// first one comes last.
pub fn needed_first<N: PartialEq + Clone>(items: &[(N, Vec<N>)]) -> Vec<N> {
    let mut done = Vec::new();
    let mut begun = Vec::new();
    for (name, _) in items {
        visit(items, name, &mut begun, &mut done);
    }
    done
}

fn visit<N: PartialEq + Clone>(items: &[(N, Vec<N>)], name: &N, begun: &mut Vec<N>, done: &mut Vec<N>) {
    let Some((_, needs)) = items.iter().find(|(known, _)| known == name) else { return };
    if begun.contains(name) {
        return;
    }
    begun.push(name.clone());
    needs.iter().for_each(|needed| visit(items, needed, begun, done));
    done.push(name.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_first_and_a_circle_ends() {
        let items =
            [("web", vec!["db", "address"]), ("db", vec!["disk"]), ("disk", vec![]), ("address", vec![])];
        assert_eq!(needed_first(&items), ["disk", "db", "address", "web"]);
        assert_eq!(needed_first(&[("a", vec!["b"]), ("b", vec!["a", "elsewhere"])]), ["b", "a"]);
    }

    #[test]
    fn a_qualifier_is_no_part_of_a_name() {
        let value = Value::StringArray(vec!["a{LOCAL_NODE}".into(), "b@phys-1".into(), "c".into()]);
        let props = [("resource_dependencies_weak", &value), ("Port_list", &value)];
        let names = needs(props.into_iter());
        assert_eq!(names.iter().map(ResourceName::as_str).collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}

//! From what an administrator wrote to values, against declarations and tunability (reference 2.2).

use crate::Rgm;
use crate::value::{self, Limits};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use rgm_types::{
    NodeName, PropClass, PropName, PropSet, Refusal, Resource, ResourceType, SchaErr, Tunable, Value, props,
};

/// Whether an object is being made or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    Creation,
    Update,
}

/// A kind of object whose properties stand in a table.
struct Table {
    kind: &'static str,
    specs: &'static [props::SystemProp],
    read_only: &'static [&'static str],
    option: &'static str,
}

/// Puts group properties into `into`, and gives the names of those that were named.
pub(super) fn set_group(
    into: &mut BTreeMap<PropName, Value>,
    sets: &[PropSet],
    occasion: Occasion,
) -> Result<BTreeSet<PropName>, Refusal> {
    set_table(
        &Table {
            kind: "resource group",
            specs: props::GROUP,
            read_only: props::GROUP_QUERY_ONLY,
            option: "-y",
        },
        into,
        sets,
        occasion,
    )
}

/// Puts cluster properties into `into`, and gives the names of those that were named.
pub(super) fn set_cluster(
    into: &mut BTreeMap<PropName, Value>,
    sets: &[PropSet],
) -> Result<BTreeSet<PropName>, Refusal> {
    set_table(
        &Table { kind: "cluster", specs: props::CLUSTER, read_only: &[], option: "-p" },
        into,
        sets,
        Occasion::Update,
    )
}

fn set_table(
    table: &Table,
    into: &mut BTreeMap<PropName, Value>,
    sets: &[PropSet],
    occasion: Occasion,
) -> Result<BTreeSet<PropName>, Refusal> {
    let mut named = BTreeSet::new();
    for set in sets {
        let Some(spec) = table.specs.iter().find(|p| p.name.eq_ignore_ascii_case(&set.name)) else {
            if table.read_only.iter().any(|name| name.eq_ignore_ascii_case(&set.name)) {
                let message = format!("property {} can only be read", set.name);
                return Err(Refusal::new(SchaErr::Prop, message, ""));
            }
            let hint = suggest(&set.name, table.specs.iter().map(|p| p.name));
            let message = format!("a {} has no property {}", table.kind, set.name);
            return Err(Refusal::new(SchaErr::Prop, message, hint));
        };
        if !set.nodes.is_empty() || set.class == PropClass::Extension {
            let message = format!(
                "{} is a {} property: neither extension nor per node",
                spec.name,
                table.kind.trim_start_matches("resource ")
            );
            let hint = format!("write {} {}={}", table.option, spec.name, set.value);
            return Err(Refusal::new(SchaErr::Prop, message, hint));
        }
        if occasion == Occasion::Update && matches!(spec.tunable, Tunable::None | Tunable::AtCreation) {
            return Err(untunable(spec.name, spec.tunable));
        }
        let name = spec.prop_name();
        let old = into.get(&name).cloned().or_else(|| value::table_default(spec));
        let new = value::change(old.as_ref(), set.op, &set.value, &Limits::of_table(spec));
        into.insert(name.clone(), new.map_err(|e| bad_value(spec.name, &e))?);
        named.insert(name);
    }
    Ok(named)
}

impl Rgm {
    /// Puts resource properties into `into`, and gives the names of those that were named.
    pub(super) fn set_resource(
        &self,
        into: &mut Resource,
        rt: &ResourceType,
        sets: &[PropSet],
        occasion: Occasion,
    ) -> Result<BTreeSet<PropName>, Refusal> {
        let mut named = BTreeSet::new();
        for set in sets {
            let decl = find(rt, set)?;
            if occasion == Occasion::Update {
                self.check_tunable(into, decl.name.as_str(), decl.tunable)?;
            }
            let limits = Limits::of_decl(decl);
            let fail = |e: String| bad_value(decl.name.as_str(), &e);
            if set.nodes.is_empty() {
                let old = into.props.get(&decl.name).or(decl.default.as_ref()).cloned();
                let new = value::change(old.as_ref(), set.op, &set.value, &limits).map_err(fail)?;
                into.props.insert(decl.name.clone(), new);
                into.node_props.remove(&decl.name);
            } else {
                for node in self.per_node_targets(decl.per_node, set)? {
                    let new = value::change(None, set.op, &set.value, &limits).map_err(fail)?;
                    into.node_props.entry(decl.name.clone()).or_default().insert(node, new);
                }
            }
            named.insert(decl.name.clone());
        }
        Ok(named)
    }

    fn per_node_targets(&self, per_node: bool, set: &PropSet) -> Result<BTreeSet<NodeName>, Refusal> {
        if !per_node {
            let message = format!("property {} is the same on all nodes", set.name);
            return Err(Refusal::new(
                SchaErr::Prop,
                message,
                format!("write {}={} without nodes", set.name, set.value),
            ));
        }
        set.nodes.iter().map(|n| self.conf.node(n).map(|c| c.name.clone())).collect()
    }

    fn check_tunable(&self, r: &Resource, name: &str, tunable: Tunable) -> Result<(), Refusal> {
        match tunable {
            Tunable::Anytime => Ok(()),
            Tunable::None | Tunable::AtCreation => Err(untunable(name, tunable)),
            Tunable::WhenDisabled => match self.conf.nodes.keys().find(|n| r.enabled.on_at(n)) {
                None => Ok(()),
                Some(node) => Err(Refusal::new(
                    SchaErr::State,
                    format!(
                        "property {name} of resource {} may be changed only while it is disabled; it is enabled on node {node}",
                        r.name
                    ),
                    format!("disable it first: clrs disable {}", r.name),
                )),
            },
        }
    }
}

fn find<'a>(rt: &'a ResourceType, set: &PropSet) -> Result<&'a rgm_types::PropDecl, Refusal> {
    let named = rt.prop(&set.name);
    let fits = named.filter(|d| match set.class {
        PropClass::Any => true,
        PropClass::Standard => !d.extension,
        PropClass::Extension => d.extension,
    });
    if let Some(decl) = fits {
        return Ok(decl);
    }
    let query_only = props::resource(&set.name).is_some_and(|p| p.presence == props::Presence::QueryOnly);
    let (message, hint) = match named {
        Some(d) if d.extension => (
            format!("{} is an extension property of type {}", d.name, rt.name),
            format!("write -x {}=…", d.name),
        ),
        Some(d) => (format!("{} is a standard property", d.name), format!("write -y {}=…", d.name)),
        None if query_only => (format!("property {} can only be read", set.name), String::new()),
        None => {
            let hint = suggest(&set.name, rt.props.iter().map(|p| p.name.as_str()));
            (format!("resource type {} declares no property {}", rt.name, set.name), hint)
        }
    };
    Err(Refusal::new(SchaErr::Prop, message, hint))
}

fn untunable(name: &str, tunable: Tunable) -> Refusal {
    let message = match tunable {
        Tunable::AtCreation => format!("property {name} can be set only when the object is created"),
        Tunable::None | Tunable::WhenDisabled | Tunable::Anytime => {
            format!("property {name} can not be changed")
        }
    };
    Refusal::new(SchaErr::Prop, message, "")
}

pub(super) fn bad_value(name: &str, fragment: &str) -> Refusal {
    Refusal::new(SchaErr::Inval, format!("property {name} must be {fragment}"), "")
}

/// "did you mean …?" for the nearest name, if any is near.
fn suggest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> String {
    const DISTANCE_MAX: usize = 3;
    let near = names.map(|n| (distance(&wrong.to_ascii_lowercase(), &n.to_ascii_lowercase()), n)).min();
    match near {
        Some((d, name)) if d <= DISTANCE_MAX => format!("did you mean {name}?"),
        _ => "clrt show, clrg show -v and clrs show -v list what there is".to_string(),
    }
}

/// Edits between two short words.
fn distance(a: &str, b: &str) -> usize {
    let mut row: alloc::vec::Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.bytes().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        let mut left = i + 1;
        for (cb, cell) in b.bytes().zip(row.iter_mut().skip(1)) {
            let new = (diagonal + usize::from(ca != cb)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = new;
            left = new;
        }
    }
    row.last().copied().unwrap_or(a.len())
}

/// Every declared property without a value in force, which an administrator must give.
pub(super) fn missing<'a>(r: &Resource, rt: &'a ResourceType) -> Option<&'a PropName> {
    let given = |d: &rgm_types::PropDecl| d.default.is_some() || r.props.contains_key(&d.name);
    let may_lack = |d: &rgm_types::PropDecl| !d.extension || d.minlength == Some(0);
    rt.props.iter().find(|d| !given(d) && !may_lack(d)).map(|d| &d.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, d) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "abd", 1), ("ab", "abc", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), d, "{a} {b}");
        }
    }
}

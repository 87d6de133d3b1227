//! A configuration as elements.

use super::xml::Element;
use super::{Configuration, Group, Node, Prop, Resource};
use rgm_types::{InstalledNodes, PropDecl, PropName, ResourceType, UpgradeTunability, Value};
use serde::Serialize;
use std::collections::BTreeMap;

/// All of it.
pub fn document(conf: &Configuration) -> Element {
    let mut root = Element::new("cluster");
    if let Some((name, props)) = &conf.cluster {
        root = root.with("name", name).holding([properties(props)]);
    }
    let lists = [
        list("nodeList", conf.nodes.iter().map(node).collect()),
        list("resourcetypeList", conf.types.iter().map(resource_type).collect()),
        list("resourcegroupList", conf.groups.iter().map(group).collect()),
        list("resourceList", conf.resources.iter().map(resource).collect()),
    ];
    root.holding(lists.into_iter().flatten())
}

fn list(name: &str, children: Vec<Element>) -> Option<Element> {
    (!children.is_empty()).then(|| Element::new(name).holding(children))
}

/// The word that a word of ours has on the wire.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn node(node: &Node) -> Element {
    let limits = node.limits.iter().map(|(name, limit)| {
        Element::new("loadlimit").with("name", name).with("soft", limit.soft).with_some("hard", limit.hard)
    });
    let limits = list("loadlimitList", limits.collect());
    let attrs = node.attrs.iter();
    let attrs = attrs.map(|(name, value)| Element::new("attribute").with("name", name).with("value", value));
    let attrs = list("attributeList", attrs.collect());
    Element::new("node").with("name", &node.name).with("id", node.id).holding(limits).holding(attrs)
}

fn properties(props: &BTreeMap<PropName, Value>) -> Element {
    let property =
        |(name, value): (&PropName, &Value)| valued(Element::new("property").with("name", name), value);
    Element::new("propertyList").holding(props.iter().map(property))
}

fn valued(element: Element, value: &Value) -> Element {
    element.with("type", word(&value.prop_type())).with("value", value)
}

fn group(group: &Group) -> Element {
    Element::new("resourcegroup")
        .with("name", &group.name)
        .with("managed", group.managed)
        .with("suspended", group.suspended)
        .holding([properties(&group.props)])
}

fn resource(resource: &Resource) -> Element {
    let state = |on: bool| if on { "enabled" } else { "disabled" };
    let switches = resource.switches.iter().map(|(node, enabled, monitored)| {
        Element::new("resourceNode")
            .with("nodeRef", node)
            .with("state", state(*enabled))
            .with_some("monitoredState", monitored.map(state))
    });
    Element::new("resource")
        .with("name", &resource.name)
        .with("resourcegroupRef", &resource.group)
        .with("resourcetypeRef", &resource.type_name)
        .holding([Element::new("resourceNodeList").holding(switches)])
        .holding([Element::new("propertyList").holding(resource.props.iter().map(property))])
}

fn property(prop: &Prop) -> Element {
    let mut element = Element::new("property").with("name", &prop.name);
    if prop.extension {
        element = element.with("extension", true);
    }
    if let Some(value) = &prop.value {
        element = valued(element, value);
    }
    let per_node = prop.per_node.iter();
    element.holding(
        per_node.map(|(node, value)| valued(Element::new("propertyNode").with("nodeRef", node), value)),
    )
}

fn resource_type(rt: &ResourceType) -> Element {
    let nodes = match &rt.installed_nodes {
        InstalledNodes::All => vec![Element::new("allNodes")],
        InstalledNodes::Only(nodes) => {
            nodes.iter().map(|node| Element::new("resourcetypeNode").with("nodeRef", node)).collect()
        }
    };
    let package = |name: &String| Element::new("package").with("name", name);
    let methods = rt
        .methods
        .iter()
        .map(|(method, path)| Element::new("method").with("type", method.word()).with("name", path));
    let upgrade = |(version, tunability): &(String, UpgradeTunability)| {
        Element::new("upgradeFrom").with("version", version).with("tunability", word(tunability))
    };
    Element::new("resourcetype")
        .with("name", &rt.name)
        .with("base", &rt.base)
        .with("vendor", &rt.vendor)
        .with("version", &rt.version)
        .with("description", &rt.description)
        .with("apiVersion", rt.api_version)
        .with("basedir", &rt.basedir)
        .with("failover", rt.failover)
        .with("singleInstance", rt.single_instance)
        .with("initNodes", word(&rt.init_nodes))
        .with("sysdefinedType", word(&rt.sysdefined))
        .with("system", rt.rt_system)
        .with("globalZone", rt.global_zone)
        .with("proxy", rt.proxy)
        .holding([Element::new("resourcetypeNodeList").holding(nodes)])
        .holding(list("packageList", rt.pkglist.iter().map(package).collect()))
        .holding([Element::new("methodList").holding(methods)])
        .holding(rt.upgrade.as_ref().map(|from| Element::new("upgrade").holding(from.iter().map(upgrade))))
        .holding(list("parameterList", rt.props.iter().map(parameter).collect()))
}

fn parameter(decl: &PropDecl) -> Element {
    let mut element = Element::new("parameter")
        .with("name", &decl.name)
        .with("extension", decl.extension)
        .with("perNode", decl.per_node)
        .with("type", word(&decl.prop_type))
        .with("tunability", word(&decl.tunable))
        .with_some("min", decl.min)
        .with_some("max", decl.max)
        .with_some("minLength", decl.minlength)
        .with_some("maxLength", decl.maxlength)
        .with_some("minArrayLength", decl.array_minsize)
        .with_some("maxArrayLength", decl.array_maxsize)
        .with("description", &decl.description);
    match &decl.default {
        // A default may have what a value can't: elements with commas, or empty ones.
        Some(Value::StringArray(elements)) => {
            let element_of = |text: &String| Element::new("element").with("value", text);
            element = element.holding([Element::new("default").holding(elements.iter().map(element_of))]);
        }
        default => element = element.with_some("default", default.as_ref()),
    }
    element.holding(decl.enumlist.iter().map(|name| Element::new("enum").with("name", name)))
}

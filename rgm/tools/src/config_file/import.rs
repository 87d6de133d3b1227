//! Elements as a configuration. What is not known is refused: left out, it would be lost.

use super::xml::Element;
use super::{Configuration, Group, ImportError, Node, Prop, Resource};
use rgm_types::{
    InstalledNodes, LoadLimit, Method, NodeName, PropDecl, PropName, PropType, ResourceType,
    UpgradeTunability, Value,
};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

type Read<T> = Result<T, ImportError>;

/// All of it.
pub fn configuration(root: &Element) -> Read<Configuration> {
    let mut e = Taken::of(root, "cluster")?;
    let name = e.optional("name");
    let props = e.child("propertyList").map(properties).transpose()?;
    let conf = Configuration {
        cluster: name.map(|name| (name, props.unwrap_or_default())),
        nodes: e.list("nodeList", node)?,
        types: e.list("resourcetypeList", resource_type)?,
        groups: e.list("resourcegroupList", group)?,
        resources: e.list("resourceList", resource)?,
    };
    e.end()?;
    Ok(conf)
}

/// An element of which attributes and children are taken one by one, until nothing is left.
struct Taken<'a> {
    element: &'a Element,
    attributes: Vec<&'a (String, String)>,
    children: Vec<&'a Element>,
}

impl<'a> Taken<'a> {
    fn of(element: &'a Element, name: &str) -> Read<Self> {
        if element.name != name {
            return Err(element.wrong(format!("is not known here; <{name}> is")));
        }
        Ok(Self {
            element,
            attributes: element.attributes.iter().collect(),
            children: element.children.iter().collect(),
        })
    }

    fn optional(&mut self, name: &str) -> Option<String> {
        let at = self.attributes.iter().position(|(known, _)| known == name)?;
        Some(self.attributes.remove(at).1.clone())
    }

    fn text(&mut self, name: &str) -> Read<String> {
        self.optional(name).ok_or_else(|| self.element.wrong(format!("has no {name}")))
    }

    fn some<T: FromStr<Err: Display>>(&mut self, name: &str) -> Read<Option<T>> {
        let element = self.element;
        let parse = |text: String| text.parse().map_err(|e| element.wrong(format!("{name}={text:?}: {e}")));
        self.optional(name).map(parse).transpose()
    }

    fn get<T: FromStr<Err: Display>>(&mut self, name: &str) -> Read<T> {
        let element = self.element;
        self.some(name)?.ok_or_else(|| element.wrong(format!("has no {name}")))
    }

    /// A word that has a kind of its own.
    fn word<T: DeserializeOwned>(&mut self, name: &str) -> Read<T> {
        let text = self.text(name)?;
        serde_json::from_value(serde_json::Value::String(text.clone()))
            .map_err(|e| self.element.wrong(format!("{name}={text:?}: {e}")))
    }

    fn switch(&mut self, name: &str) -> Read<Option<bool>> {
        match self.optional(name).as_deref() {
            None => Ok(None),
            Some("enabled") => Ok(Some(true)),
            Some("disabled") => Ok(Some(false)),
            Some(text) => Err(self.element.wrong(format!("{name}={text:?}: it is enabled or disabled"))),
        }
    }

    fn child(&mut self, name: &str) -> Option<&'a Element> {
        let at = self.children.iter().position(|child| child.name == name)?;
        Some(self.children.remove(at))
    }

    /// The children of this child.
    fn list<T>(&mut self, name: &str, each: impl Fn(&'a Element) -> Read<T>) -> Read<Vec<T>> {
        let Some(list) = self.child(name) else { return Ok(Vec::new()) };
        let list = Taken::of(list, name)?;
        let items = list.children.iter().map(|child| each(child)).collect();
        Taken { children: Vec::new(), ..list }.end()?;
        items
    }

    /// All the children that are left.
    fn rest<T>(&mut self, each: impl Fn(&'a Element) -> Read<T>) -> Read<Vec<T>> {
        std::mem::take(&mut self.children).into_iter().map(each).collect()
    }

    fn end(self) -> Read<()> {
        if let Some((name, _)) = self.attributes.first() {
            return Err(self.element.wrong(format!("has an attribute {name}, which is not known")));
        }
        match self.children.first() {
            Some(child) => {
                Err(child.wrong(format!("is not known in <{}>, or stands there twice", self.element.name)))
            }
            None => Ok(()),
        }
    }
}

fn node(element: &Element) -> Read<Node> {
    let mut e = Taken::of(element, "node")?;
    let limit = |element| {
        let mut e = Taken::of(element, "loadlimit")?;
        let limit = (e.text("name")?, LoadLimit { soft: e.get("soft")?, hard: e.some("hard")? });
        e.end()?;
        Ok(limit)
    };
    let limits = e.list("loadlimitList", limit)?.into_iter().collect();
    let attr = |element| {
        let mut e = Taken::of(element, "attribute")?;
        let attr = (e.get("name")?, e.text("value")?);
        e.end()?;
        Ok(attr)
    };
    let attrs = e.list("attributeList", attr)?.into_iter().collect();
    let node = Node { name: e.get("name")?, id: e.get("id")?, limits, attrs };
    e.end()?;
    Ok(node)
}

fn properties(element: &Element) -> Read<BTreeMap<PropName, Value>> {
    let property = |element| {
        let mut e = Taken::of(element, "property")?;
        let name: PropName = e.word("name")?;
        let value = value(&mut e)?.ok_or_else(|| element.wrong("has no value"))?;
        e.end()?;
        Ok((name, value))
    };
    let mut e = Taken::of(element, "propertyList")?;
    let props = e.rest(property)?.into_iter().collect();
    e.end()?;
    Ok(props)
}

fn value(e: &mut Taken<'_>) -> Read<Option<Value>> {
    let Some(text) = e.optional("value") else { return Ok(None) };
    let prop_type = e.word("type")?;
    typed(e.element, prop_type, text).map(Some)
}

fn typed(element: &Element, prop_type: PropType, text: String) -> Read<Value> {
    let wrong = |what: &str| element.wrong(format!("has the value {text:?}, which is {what}"));
    Ok(match prop_type {
        PropType::String => Value::String(text),
        PropType::Enum => Value::Enum(text),
        PropType::Int => Value::Int(text.parse().map_err(|_| wrong("no whole number"))?),
        PropType::Boolean => match text.as_str() {
            "TRUE" => Value::Boolean(true),
            "FALSE" => Value::Boolean(false),
            _ => return Err(wrong("neither TRUE nor FALSE")),
        },
        PropType::StringArray if text.is_empty() => Value::StringArray(Vec::new()),
        PropType::StringArray => Value::StringArray(text.split(',').map(str::to_owned).collect()),
    })
}

fn group(element: &Element) -> Read<Group> {
    let mut e = Taken::of(element, "resourcegroup")?;
    let props = e.child("propertyList").map(properties).transpose()?.unwrap_or_default();
    let group = Group {
        name: e.get("name")?,
        managed: e.get("managed")?,
        suspended: e.some("suspended")?.unwrap_or(false),
        props,
    };
    e.end()?;
    Ok(group)
}

fn resource(element: &Element) -> Read<Resource> {
    let mut e = Taken::of(element, "resource")?;
    let switch = |element: &Element| {
        let mut e = Taken::of(element, "resourceNode")?;
        let state = e.switch("state")?.ok_or_else(|| element.wrong("has no state"))?;
        let switch = (e.get("nodeRef")?, state, e.switch("monitoredState")?);
        e.end()?;
        Ok(switch)
    };
    let resource = Resource {
        switches: e.list("resourceNodeList", switch)?,
        props: e.list("propertyList", property)?,
        name: e.get("name")?,
        group: e.get("resourcegroupRef")?,
        type_name: e.get("resourcetypeRef")?,
    };
    e.end()?;
    Ok(resource)
}

fn property(element: &Element) -> Read<Prop> {
    let mut e = Taken::of(element, "property")?;
    let per_node = |element: &Element| {
        let mut e = Taken::of(element, "propertyNode")?;
        let node: NodeName = e.get("nodeRef")?;
        let value = value(&mut e)?.ok_or_else(|| element.wrong("has no value"))?;
        e.end()?;
        Ok((node, value))
    };
    let prop = Prop {
        per_node: e.rest(per_node)?.into_iter().collect(),
        value: value(&mut e)?,
        name: e.word("name")?,
        extension: e.some("extension")?.unwrap_or(false),
    };
    e.end()?;
    Ok(prop)
}

fn resource_type(element: &Element) -> Read<ResourceType> {
    let mut e = Taken::of(element, "resourcetype")?;
    let rt = ResourceType {
        installed_nodes: installed_nodes(&mut e)?,
        pkglist: e.list("packageList", |child| named(child, "package"))?,
        methods: e.list("methodList", method)?.into_iter().collect(),
        upgrade: match e.children.iter().any(|child| child.name == "upgrade") {
            true => Some(e.list("upgrade", upgrade)?),
            false => None,
        },
        props: e.list("parameterList", parameter)?,
        name: e.get("name")?,
        base: e.text("base")?,
        vendor: e.text("vendor")?,
        version: e.text("version")?,
        description: e.text("description")?,
        api_version: e.get("apiVersion")?,
        basedir: e.text("basedir")?,
        failover: e.get("failover")?,
        single_instance: e.get("singleInstance")?,
        init_nodes: e.word("initNodes")?,
        sysdefined: e.word("sysdefinedType")?,
        rt_system: e.get("system")?,
        global_zone: e.get("globalZone")?,
        proxy: e.get("proxy")?,
    };
    e.end()?;
    Ok(rt)
}

fn named(element: &Element, name: &str) -> Read<String> {
    let mut e = Taken::of(element, name)?;
    let text = e.text("name")?;
    e.end()?;
    Ok(text)
}

fn installed_nodes(e: &mut Taken<'_>) -> Read<InstalledNodes> {
    let nodes = e.list("resourcetypeNodeList", |element| {
        if element.name == "allNodes" {
            Taken::of(element, "allNodes")?.end()?;
            return Ok(None);
        }
        let mut e = Taken::of(element, "resourcetypeNode")?;
        let node: NodeName = e.get("nodeRef")?;
        e.end()?;
        Ok(Some(node))
    })?;
    let all = nodes.iter().any(Option::is_none);
    Ok(if all { InstalledNodes::All } else { InstalledNodes::Only(nodes.into_iter().flatten().collect()) })
}

fn method(element: &Element) -> Read<(Method, String)> {
    let mut e = Taken::of(element, "method")?;
    let method = (e.word("type")?, e.text("name")?);
    e.end()?;
    Ok(method)
}

fn upgrade(element: &Element) -> Read<(String, UpgradeTunability)> {
    let mut e = Taken::of(element, "upgradeFrom")?;
    let upgrade = (e.text("version")?, e.word("tunability")?);
    e.end()?;
    Ok(upgrade)
}

fn parameter(element: &Element) -> Read<PropDecl> {
    let mut e = Taken::of(element, "parameter")?;
    let prop_type: PropType = e.word("type")?;
    let text = e.optional("default");
    let default = match (e.child("default"), text) {
        (Some(list), _) => {
            let mut e = Taken::of(list, "default")?;
            let elements = e.rest(|child| {
                let mut e = Taken::of(child, "element")?;
                let text = e.text("value")?;
                e.end()?;
                Ok(text)
            })?;
            Some(Value::StringArray(elements))
        }
        (None, Some(text)) => Some(typed(element, prop_type, text)?),
        (None, None) => None,
    };
    let decl = PropDecl {
        name: e.word("name")?,
        extension: e.get("extension")?,
        per_node: e.get("perNode")?,
        prop_type,
        enumlist: e.rest(|child| named(child, "enum"))?,
        tunable: e.word("tunability")?,
        default,
        min: e.some("min")?,
        max: e.some("max")?,
        minlength: e.some("minLength")?,
        maxlength: e.some("maxLength")?,
        array_minsize: e.some("minArrayLength")?,
        array_maxsize: e.some("maxArrayLength")?,
        description: e.text("description")?,
    };
    e.end()?;
    Ok(decl)
}

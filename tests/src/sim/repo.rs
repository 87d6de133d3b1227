//! The repository, and what the configuration in it says: read here anew, not by the core's eyes.

use rgm_types::config::{Entry, Generation, Write};
use rgm_types::rt::SysdefinedType;
use rgm_types::{
    Attrs, Group, GroupName, GroupRun, InitNodes, Key, Method, NodeConf, NodeName, Resource, ResourceName,
    ResourceType, TypeName, Value, props,
};
use std::collections::{BTreeMap, BTreeSet};

/// Where the other resource has to be up (reference 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Local,
    Any,
}

/// How strongly (reference 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    Strong,
    Weak,
    Restart,
    OfflineRestart,
}

/// A dependency in force for an instance on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dep {
    pub(crate) on: ResourceName,
    pub(crate) flavour: Flavour,
    pub(crate) reach: Reach,
}

/// What was committed, and nothing else.
#[derive(Debug, Clone, Default)]
pub(crate) struct Repo {
    entries: BTreeMap<Key, Entry>,
    pub(crate) generation: Generation,
    pub(crate) groups: BTreeMap<GroupName, Group>,
    pub(crate) resources: BTreeMap<ResourceName, Resource>,
    types: BTreeMap<TypeName, ResourceType>,
    pub(crate) runs: BTreeMap<GroupName, GroupRun>,
    pub(crate) nodes: BTreeMap<NodeName, NodeConf>,
    pub(crate) attrs: BTreeMap<NodeName, Attrs>,
    members: BTreeMap<GroupName, BTreeSet<ResourceName>>,
}

impl Repo {
    pub(crate) fn commit(&mut self, writes: &[Write]) {
        for write in writes {
            match write {
                Write::Put(entry) => {
                    self.put(entry.clone());
                    self.entries.insert(entry.key(), entry.clone());
                }
                Write::Delete(key) => {
                    self.delete(key);
                    self.entries.remove(key);
                }
            }
        }
        self.generation.0 += 1;
    }

    fn put(&mut self, entry: Entry) {
        match entry {
            Entry::Cluster(_) => {}
            Entry::Attrs(n, attrs) => drop(self.attrs.insert(n, attrs)),
            Entry::Node(n) => drop(self.nodes.insert(n.name.clone(), n)),
            Entry::Type(t) => drop(self.types.insert(t.name.clone(), t)),
            Entry::Group(g) => drop(self.groups.insert(g.name.clone(), g)),
            Entry::Resource(r) => {
                self.members.entry(r.group.clone()).or_default().insert(r.name.clone());
                self.resources.insert(r.name.clone(), r);
            }
            Entry::Run(g, run) => drop(self.runs.insert(g, run)),
        }
    }

    fn delete(&mut self, key: &Key) {
        match key {
            Key::Cluster => {}
            Key::Attrs(n) => drop(self.attrs.remove(n)),
            Key::Node(n) => drop(self.nodes.remove(n)),
            Key::Type(t) => drop(self.types.remove(t)),
            Key::Group(g) => {
                self.groups.remove(g);
                self.members.remove(g);
            }
            Key::Resource(r) => {
                if let Some(r) = self.resources.remove(r)
                    && let Some(members) = self.members.get_mut(&r.group)
                {
                    members.remove(&r.name);
                }
            }
            Key::Run(g) => drop(self.runs.remove(g)),
        }
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.values().cloned().collect()
    }

    pub(crate) fn members(&self, group: &GroupName) -> impl Iterator<Item = &Resource> + '_ {
        self.members.get(group).into_iter().flatten().filter_map(|r| self.resources.get(r))
    }

    pub(crate) fn type_of(&self, r: &ResourceName) -> Option<&ResourceType> {
        self.types.get(&self.resources.get(r)?.type_name)
    }

    pub(crate) fn declares(&self, r: &ResourceName, method: Method) -> bool {
        self.type_of(r).is_some_and(|t| t.has(method))
    }

    /// Where the group is meant to be.
    pub(crate) fn wants(&self, group: &GroupName, node: &NodeName) -> bool {
        self.runs.get(group).is_some_and(|run| run.wanted.contains(node))
    }

    // --- values in force ---

    fn value<'a>(&'a self, r: &'a Resource, name: &str) -> Option<&'a Value> {
        let decl = self.types.get(&r.type_name)?.prop(name)?;
        r.props.get(&decl.name).or(decl.default.as_ref())
    }

    pub(crate) fn int(&self, r: &Resource, name: &str) -> Option<i64> {
        self.value(r, name)?.int()
    }

    pub(crate) fn word(&self, r: &Resource, name: &str) -> String {
        self.value(r, name).and_then(Value::text).unwrap_or_default().to_string()
    }

    fn list<'a>(&'a self, r: &'a Resource, name: &str) -> &'a [String] {
        self.value(r, name).and_then(Value::list).unwrap_or_default()
    }

    fn group_text(&self, group: &GroupName, name: &str) -> Option<String> {
        let spec = props::group(name)?;
        let given = self.groups.get(group)?.props.get(&spec.prop_name());
        given.map(ToString::to_string).or_else(|| spec.default.map(str::to_string))
    }

    pub(crate) fn group_int(&self, group: &GroupName, name: &str) -> i64 {
        self.group_text(group, name).and_then(|t| t.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn group_flag(&self, group: &GroupName, name: &str) -> bool {
        self.group_text(group, name).is_some_and(|t| t.eq_ignore_ascii_case("TRUE"))
    }

    pub(crate) fn group_list(&self, group: &GroupName, name: &str) -> Vec<String> {
        let text = self.group_text(group, name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|e| !e.is_empty()).map(str::to_string).collect()
    }

    pub(crate) fn nodelist(&self, group: &GroupName) -> Vec<NodeName> {
        self.group_list(group, "Nodelist").iter().filter_map(|n| NodeName::new(n).ok()).collect()
    }

    pub(crate) fn is_scalable(&self, group: &GroupName) -> bool {
        self.group_text(group, "RG_mode").is_some_and(|m| m == "Scalable")
    }

    /// On how many nodes it may be online.
    pub(crate) fn most(&self, group: &GroupName) -> usize {
        let most = if self.is_scalable(group) { self.group_int(group, "Maximum_primaries") } else { 1 };
        usize::try_from(most).unwrap_or(0)
    }

    /// Load_factors: name and load.
    pub(crate) fn loads(&self, group: &GroupName) -> Vec<(String, u64)> {
        let read = |e: &String| {
            let (name, load) = e.split_once('@')?;
            Some((name.to_string(), load.parse().ok()?))
        };
        self.group_list(group, "Load_factors").iter().filter_map(read).collect()
    }

    /// RG_affinities: the sign and the target.
    pub(crate) fn affinities(&self, group: &GroupName) -> Vec<(String, GroupName)> {
        let read = |e: &String| {
            let name = e.trim_start_matches(['+', '-']);
            let sign = e.strip_suffix(name)?;
            Some((sign.to_string(), GroupName::new(name).ok()?))
        };
        self.group_list(group, "RG_affinities").iter().filter_map(read).collect()
    }

    /// The source may only be where the target is.
    pub(crate) fn sticks_to(&self, source: &GroupName, target: &GroupName) -> bool {
        self.affinities(source).iter().any(|(sign, t)| t == target && matches!(sign.as_str(), "++" | "+++"))
    }

    /// Node_rule holds, of those that chance hands out.
    pub(crate) fn rule_holds(&self, group: &GroupName, node: &NodeName) -> bool {
        let ready = self.attrs.get(node).and_then(|attrs| attrs.value("ready"));
        match self.group_text(group, "Node_rule").unwrap_or_default().as_str() {
            "ready = 1" => ready == Some("1"),
            "not ready = 0" => ready != Some("0"),
            _ => true,
        }
    }

    /// Nodes where INIT, FINI and BOOT run.
    pub(crate) fn init_nodes(&self, r: &Resource) -> Vec<NodeName> {
        match self.types.get(&r.type_name) {
            Some(t) if t.init_nodes == InitNodes::RtInstalledNodes => {
                self.nodes.keys().filter(|n| t.installed_on(n)).cloned().collect()
            }
            _ => self.nodelist(&r.group),
        }
    }

    // --- dependencies ---

    /// What an instance of a resource on a node depends on, implicit network dependencies included.
    pub(crate) fn deps(&self, r: &Resource, node: &NodeName) -> Vec<Dep> {
        let lists = [
            ("Resource_dependencies", Flavour::Strong),
            ("Network_resources_used", Flavour::Strong),
            ("Resource_dependencies_weak", Flavour::Weak),
            ("Resource_dependencies_restart", Flavour::Restart),
            ("Resource_dependencies_offline_restart", Flavour::OfflineRestart),
        ];
        let mut deps = Vec::new();
        for (name, flavour) in lists {
            let elements = self.list(r, name).iter();
            deps.extend(elements.filter_map(|text| self.dep(r, node, text, flavour)));
        }
        deps.extend(self.network_deps(r));
        deps
    }

    fn dep(&self, r: &Resource, node: &NodeName, text: &str, flavour: Flavour) -> Option<Dep> {
        let (rest, word) = text.split_once('{').unwrap_or((text, ""));
        let (name, at) = rest.split_once('@').unwrap_or((rest, node.as_str()));
        let target = self.resources.get(name)?;
        let reach = match word.trim_end_matches('}').to_ascii_uppercase().as_str() {
            "LOCAL_NODE" => Reach::Local,
            "ANY_NODE" => Reach::Any,
            _ if target.group == r.group || self.sticks_to(&r.group, &target.group) => Reach::Local,
            _ => Reach::Any,
        };
        let holds = at == node.as_str() && target.name != r.name;
        holds.then(|| Dep { on: target.name.clone(), flavour, reach })
    }

    /// Addresses of a failover group come before everything else in it, unless they depend on it.
    fn network_deps(&self, r: &Resource) -> Vec<Dep> {
        let nets = self.nets_before(r).filter(|net| !self.is_below(r, net));
        nets.map(|m| Dep { on: m.name.clone(), flavour: Flavour::Strong, reach: Reach::Local }).collect()
    }

    /// Addresses that may come before a resource without a word.
    fn nets_before<'a>(&'a self, r: &'a Resource) -> impl Iterator<Item = &'a Resource> + 'a {
        let is_net =
            |r: &Resource| self.types.get(&r.type_name).is_some_and(|t| t.sysdefined != SysdefinedType::None);
        let implied = self.group_flag(&r.group, "Implicit_network_dependencies")
            && !self.is_scalable(&r.group)
            && !is_net(r);
        self.members(&r.group).filter(move |m| implied && is_net(m))
    }

    /// `top` depends on `r`, directly or not, on any node, as the lists say it and as may be implied.
    fn is_below(&self, r: &Resource, top: &Resource) -> bool {
        let mut seen = BTreeSet::new();
        let mut left = vec![top];
        while let Some(next) = left.pop() {
            if !seen.insert(next.name.clone()) {
                continue;
            }
            if next.name == r.name {
                return true;
            }
            left.extend(self.named(next));
            left.extend(self.nets_before(next));
        }
        false
    }

    /// Resources that this one names in a dependency.
    pub(crate) fn named<'a>(&'a self, r: &'a Resource) -> impl Iterator<Item = &'a Resource> + 'a {
        let lists = [
            "Resource_dependencies",
            "Network_resources_used",
            "Resource_dependencies_weak",
            "Resource_dependencies_restart",
            "Resource_dependencies_offline_restart",
        ];
        let elements = lists.into_iter().flat_map(|name| self.list(r, name));
        elements.filter_map(|e| self.resources.get(e.split(['@', '{']).next()?))
    }

    /// Resources that name this one in a dependency, or lie in its group.
    pub(crate) fn around<'a>(&'a self, r: &'a Resource) -> impl Iterator<Item = &'a Resource> + 'a {
        self.resources.values().filter(move |x| {
            x.name != r.name && (x.group == r.group || self.named(x).any(|d| d.name == r.name))
        })
    }
}

//! The resource-type part of a file.

use super::{TypeValues, value};
use crate::diagnostic::{Code, Notes};
use crate::keyword::did_you_mean;
use crate::reader::Read;
use crate::tree::{Span, Spanned, TypeKey, TypeProperty};
use rgm_types::rt::API_VERSION_MAX;
use rgm_types::{InitNodes, InstalledNodes, Method, NameError, ResourceType, SysdefinedType, TypeName};
use std::collections::BTreeMap;

/// API_version of a file that declares none.
const API_VERSION_DEFAULT: i64 = 2;
/// What RT_version may not contain, besides blanks.
const VERSION_FORBIDDEN: &str = "/\\*?,;[]";
/// What Resource_type and Vendor_id may not contain besides: the full name is made with these.
const NAME_FORBIDDEN: &str = ".:";

/// The checked first part of a file.
pub struct Declared {
    /// The type, without properties yet; `None` without a usable name.
    pub resource_type: Option<ResourceType>,
    /// Methods the file declares, those whose statement is broken included.
    pub methods: Vec<Method>,
    /// Failover.
    pub failover: bool,
}

/// Checks the resource-type properties.
pub fn check(read: &Read, notes: &mut Notes) -> Declared {
    let values = TypeValues { properties: &read.declarations.type_properties };
    for property in values.properties.iter().filter(|p| p.key.value.is_forbidden()) {
        forbidden(property, notes);
    }
    let mut part = TypePart { values, read, notes };
    let methods = part.methods();
    part.method_rules(&methods);
    let basedir = part.basedir(&methods);
    let api_version = part.api_version();
    let name = part.full_name();
    let failover = part.boolean(TypeKey::Failover);
    let upgrade = read.declarations.upgrade.as_ref();
    let upgrade = upgrade.map(|u| u.from.iter().map(|f| (f.version.value.clone(), f.tunability)).collect());
    for from in read.declarations.upgrade.iter().flat_map(|u| &u.from) {
        part.version_characters("the version of `#$upgrade_from`", &from.version);
    }
    let resource_type = ResourceType {
        base: part.text(TypeKey::ResourceType),
        vendor: part.text(TypeKey::VendorId),
        version: part.text(TypeKey::RtVersion),
        description: part.text(TypeKey::RtDescription),
        api_version,
        basedir,
        failover,
        single_instance: part.boolean(TypeKey::SingleInstance),
        init_nodes: part.init_nodes(),
        installed_nodes: InstalledNodes::All,
        sysdefined: part.sysdefined(),
        pkglist: part.pkglist(),
        rt_system: part.boolean(TypeKey::RtSystem),
        global_zone: part.boolean(TypeKey::GlobalZone),
        proxy: part.boolean(TypeKey::Proxy),
        methods,
        upgrade,
        props: Vec::new(),
        name: match name {
            Some(name) => name,
            None => return Declared { resource_type: None, methods: part.declared_methods(), failover },
        },
    };
    Declared { resource_type: Some(resource_type), methods: part.declared_methods(), failover }
}

fn forbidden(property: &TypeProperty, notes: &mut Notes) {
    let word = property.key.value.word();
    let help = if property.key.value == TypeKey::InstalledNodes {
        "delete it; the administrator sets it: scrgadm -c -t type -h nodes"
    } else {
        "delete it; the manager derives it"
    };
    let message = format!("{word} can't be declared in a file");
    notes.add(Code::TypePropertyForbidden, property.key.span, message, help);
}

struct TypePart<'a, 'n> {
    values: TypeValues<'a>,
    read: &'a Read,
    notes: &'n mut Notes,
}

impl TypePart<'_, '_> {
    fn declared_methods(&self) -> Vec<Method> {
        Method::ALL.into_iter().filter(|m| self.read.mentioned.contains(&TypeKey::Method(*m))).collect()
    }

    /// The one value of a property, checked to be one line; "" if not declared.
    fn one(&mut self, key: TypeKey) -> Option<Spanned<String>> {
        let property = self.values.get(key)?;
        let one = value::one(key.word(), &property.values, property.key.span, self.notes)?;
        if key != TypeKey::RtDescription {
            value::line(key.word(), one, self.notes);
        }
        Some(one.clone())
    }

    /// The text of a property that was or will be checked elsewhere.
    fn text(&mut self, key: TypeKey) -> String {
        let quiet = [TypeKey::ResourceType, TypeKey::VendorId, TypeKey::RtVersion].contains(&key);
        if quiet {
            let property = self.values.get(key);
            return property.and_then(|p| p.values.first()).map_or(String::new(), |v| v.value.clone());
        }
        self.one(key).map_or(String::new(), |v| v.value)
    }

    fn boolean(&mut self, key: TypeKey) -> bool {
        let value = self.one(key);
        value.and_then(|v| value::boolean(key.word(), &v, self.notes)).unwrap_or(false)
    }

    fn pkglist(&mut self) -> Vec<String> {
        let property = self.values.get(TypeKey::Pkglist);
        property.map_or(Vec::new(), |p| value::list(TypeKey::Pkglist.word(), &p.values, self.notes))
    }

    fn methods(&mut self) -> BTreeMap<Method, String> {
        let mut methods = BTreeMap::new();
        for method in Method::ALL {
            let key = TypeKey::Method(method);
            let Some(path) = self.one(key) else { continue };
            if path.value.is_empty() {
                let message = format!("{} has no path and counts as not declared", key.word());
                let help = "write the path of the method, or delete the line";
                self.notes.add(Code::MethodEmpty, self.values.place(key), message, help);
                continue;
            }
            methods.insert(method, path.value);
        }
        methods
    }

    /// True if the file declares a method, or tried to.
    fn means(&self, methods: &BTreeMap<Method, String>, method: Method) -> bool {
        let key = TypeKey::Method(method);
        let empty = |p: &TypeProperty| p.values.iter().all(|v| v.value.is_empty());
        let tried = self.read.mentioned.contains(&key) && !self.values.get(key).is_some_and(empty);
        methods.contains_key(&method) || tried
    }

    fn method_rules(&mut self, methods: &BTreeMap<Method, String>) {
        let place = self.values.place(TypeKey::ResourceType);
        if !self.means(methods, Method::Start) && !self.means(methods, Method::PrenetStart) {
            let message = "the type has neither START nor PRENET_START";
            let help = "write `START = path;`: the program that starts the service";
            self.notes.add(Code::StartMissing, place, message, help);
        }
        if !self.means(methods, Method::Stop) && !self.means(methods, Method::PostnetStop) {
            let message = "the type has neither STOP nor POSTNET_STOP";
            let help = "write `STOP = path;`: the program that stops the service";
            self.notes.add(Code::StopMissing, place, message, help);
        }
        let pair = [Method::MonitorStart, Method::MonitorStop];
        for (have, lack) in pair.into_iter().zip(pair.into_iter().rev()) {
            if self.means(methods, have) && !self.means(methods, lack) {
                let message = format!("{have} without {lack}: a monitor needs both");
                let help = format!("write `{lack} = path;`, or delete {have}");
                self.notes.add(Code::MonitorPair, self.values.place(TypeKey::Method(have)), message, help);
            }
        }
    }

    fn basedir(&mut self, methods: &BTreeMap<Method, String>) -> String {
        let declared = self.one(TypeKey::RtBasedir);
        let basedir = declared.as_ref().map_or("", |v| v.value.as_str());
        if let Some(value) = declared.as_ref().filter(|v| !v.value.is_empty() && !v.value.starts_with('/')) {
            let placeholder = value.value.starts_with('(') && value.value.ends_with(')');
            let help = if placeholder {
                "this is a template: write the directory the methods are installed in"
            } else {
                "write a path that starts with `/`"
            };
            let message = format!("RT_basedir is `{}`, which is no absolute path", value.value);
            self.notes.add(Code::BasedirRelative, value.span, message, help);
        }
        let relative = methods.iter().find(|(_, path)| !path.starts_with('/'));
        let lost = declared.is_none() && self.read.mentioned.contains(&TypeKey::RtBasedir);
        if let Some((method, path)) = relative.filter(|_| basedir.is_empty() && !lost) {
            let message = format!("the path of {method} is relative, and RT_basedir is not declared");
            let help = format!(
                "write `RT_basedir = /directory;`, or an absolute path: `{method} = /directory/{path};`"
            );
            self.notes.add(Code::BasedirMissing, self.values.place(TypeKey::Method(*method)), message, help);
        }
        basedir.to_owned()
    }

    fn api_version(&mut self) -> i64 {
        let Some(value) = self.one(TypeKey::ApiVersion) else { return API_VERSION_DEFAULT };
        let Some(number) = value::integer(TypeKey::ApiVersion.word(), &value, self.notes) else {
            return API_VERSION_DEFAULT;
        };
        if !(1..=API_VERSION_MAX).contains(&number) {
            let message = format!("API_version {number} is not supported");
            let help = format!("write the lowest version the methods need, from 1 to {API_VERSION_MAX}");
            self.notes.add(Code::ApiVersion, value.span, message, help);
        }
        number
    }

    fn init_nodes(&mut self) -> InitNodes {
        match self.word(TypeKey::InitNodes, &["RG_PRIMARIES", "RT_INSTALLED_NODES"]) {
            Some("RT_INSTALLED_NODES") => InitNodes::RtInstalledNodes,
            Some(_) | None => InitNodes::default(),
        }
    }

    fn sysdefined(&mut self) -> SysdefinedType {
        let words = ["NONE", "RTR_LOGICAL_HOSTNAME", "RTR_SHARED_ADDRESS"];
        match self.word(TypeKey::SysdefinedType, &words) {
            Some("RTR_LOGICAL_HOSTNAME") => SysdefinedType::RtrLogicalHostname,
            Some("RTR_SHARED_ADDRESS") => SysdefinedType::RtrSharedAddress,
            Some(_) | None => SysdefinedType::default(),
        }
    }

    fn word(&mut self, key: TypeKey, words: &[&'static str]) -> Option<&'static str> {
        let value = self.one(key)?;
        let found = words.iter().copied().find(|w| w.eq_ignore_ascii_case(&value.value));
        if found.is_none() {
            let message = format!("`{}` is no value of {}", value.value, key.word());
            let help =
                did_you_mean(&value.value, words.iter().copied(), &format!("write {}", words.join(" or ")));
            self.notes.add(Code::ValueWord, value.span, message, help);
        }
        found
    }

    /// The full name, if its parts can make one.
    fn full_name(&mut self) -> Option<TypeName> {
        let base = self.name_part(TypeKey::ResourceType);
        let vendor = match self.values.get(TypeKey::VendorId) {
            Some(p) if p.values.iter().all(|v| v.value.is_empty()) => Some(String::new()),
            Some(_) => self.name_part(TypeKey::VendorId),
            None => Some(String::new()),
        };
        let version = self.version();
        let (base, vendor, version) = (base?, vendor?, version?);
        let upgrade_aware = self.read.declarations.upgrade.is_some();
        let full = ResourceType::full_name(&vendor, &base, &version, upgrade_aware);
        TypeName::new(&full).map_err(|error| self.bad_name(TypeKey::ResourceType, &full, &error)).ok()
    }

    fn name_part(&mut self, key: TypeKey) -> Option<String> {
        let property = self.values.get(key)?;
        let word = key.word();
        let value = value::one_not_empty(word, &property.values, property.key.span, self.notes)?;
        let bad =
            |c: char| !c.is_ascii_graphic() || VERSION_FORBIDDEN.contains(c) || NAME_FORBIDDEN.contains(c);
        if let Some(c) = value.value.chars().find(|c| bad(*c)) {
            let help = if c == '.' {
                "write the part before the `.` as Vendor_id and the part behind it as Resource_type"
            } else if c == ':' {
                "write the part behind the `:` as RT_version"
            } else {
                "use letters, digits, `-` and `_`"
            };
            self.notes.add(Code::TypeName, value.span, format!("{word} contains {c:?}"), help);
            return None;
        }
        if let Err(error) = TypeName::new(&value.value) {
            self.bad_name(key, &value.value, &error);
            return None;
        }
        Some(value.value.clone())
    }

    fn bad_name(&mut self, key: TypeKey, name: &str, error: &NameError) {
        let place = self.values.get(key).and_then(|p| p.values.first()).map_or(Span::default(), |v| v.span);
        let message = if name.len() > 255 {
            "the full name of the type is longer than 255 characters".to_owned()
        } else {
            format!("`{name}` can't name a type: {error}")
        };
        let help = "begin with a letter or digit and use letters, digits, `-` and `_`";
        self.notes.add(Code::TypeName, place, message, help);
    }

    fn version(&mut self) -> Option<String> {
        let Some(property) = self.values.get(TypeKey::RtVersion) else {
            if !self.read.mentioned.contains(&TypeKey::RtVersion) {
                let place = self.values.place(TypeKey::ResourceType);
                let help = "write `RT_version = \"1.0\";`";
                self.notes.add(Code::VersionMissing, place, "RT_version is not declared", help);
            }
            return None;
        };
        let word = TypeKey::RtVersion.word();
        let value = value::one(word, &property.values, property.key.span, self.notes)?;
        if value.value.is_empty() {
            let help = "write `RT_version = \"1.0\";`";
            self.notes.add(Code::VersionMissing, property.key.span, "RT_version is empty", help);
            return None;
        }
        self.version_characters(word, value).then(|| value.value.clone())
    }

    fn version_characters(&mut self, word: &str, value: &Spanned<String>) -> bool {
        let bad = |c: char| !c.is_ascii_graphic() || VERSION_FORBIDDEN.contains(c);
        let Some(c) = value.value.chars().find(|c| bad(*c)) else { return true };
        let help = "use letters, digits, `.`, `-` and `_`";
        self.notes.add(Code::VersionCharacter, value.span, format!("{word} contains {c:?}"), help);
        false
    }
}

//! What `clrt show` and `clrt list-props` print.

use crate::cl::layout::{Sheet, Table, plain};
use crate::failure::Failure;
use crate::values::{init_nodes, installed, or_null, shown_value, truth, type_word, words};
use rgm_types::view::TypeView;
use rgm_types::{PropDecl, ResourceType, UpgradeTunability};

/// `list -v`.
pub fn list(types: &[&TypeView]) -> String {
    let row = |t: &&TypeView| vec![t.declaration.name.to_string(), installed(&t.declaration.installed_nodes)];
    Table::list(&[("Resource Type", 25), ("Node List", 0)], types.iter().map(row).collect())
}

/// `show`.
pub fn text(types: &[&TypeView], verbose: bool) -> String {
    let mut sheet = Sheet::titled("Registered Resource Types");
    for view in types {
        resource_type(&mut sheet, &view.declaration, verbose);
    }
    sheet.text()
}

fn resource_type(sheet: &mut Sheet, rt: &ResourceType, verbose: bool) {
    sheet.head(0, "Resource Type", rt.name.as_str());
    sheet.line(2, "RT_description", &or_null(&rt.description));
    sheet.line(2, "RT_version", &or_null(&rt.version));
    sheet.line(2, "API_version", &rt.api_version.to_string());
    sheet.line(2, "RT_basedir", &or_null(&rt.basedir));
    sheet.line(2, "Single_instance", truth(rt.single_instance));
    sheet.line(2, "Proxy", truth(rt.proxy));
    sheet.line(2, "Init_nodes", init_nodes(rt.init_nodes));
    sheet.line(2, "Installed_nodes", &installed(&rt.installed_nodes));
    sheet.line(2, "Failover", truth(rt.failover));
    sheet.line(2, "Pkglist", &words(&rt.pkglist));
    sheet.line(2, "RT_system", truth(rt.rt_system));
    sheet.line(2, "Global_zone", truth(rt.global_zone));
    if !verbose {
        return;
    }
    for (method, path) in &rt.methods {
        sheet.line(2, &format!("Method {method}"), path);
    }
    for (version, tunability) in rt.upgrade.iter().flatten() {
        sheet.line(2, &format!("Upgrade_from {}", or_null(version)), upgrade_word(*tunability));
    }
    if !rt.props.is_empty() {
        sheet.section(2, "Standard and extension properties");
    }
    for prop in &rt.props {
        property(sheet, prop);
    }
}

fn upgrade_word(tunability: UpgradeTunability) -> &'static str {
    match tunability {
        UpgradeTunability::Anytime => "ANYTIME",
        UpgradeTunability::WhenUnmonitored => "WHEN_UNMONITORED",
        UpgradeTunability::WhenOffline => "WHEN_OFFLINE",
        UpgradeTunability::WhenDisabled => "WHEN_DISABLED",
        UpgradeTunability::WhenUnmanaged => "WHEN_UNMANAGED",
        UpgradeTunability::AtCreation => "AT_CREATION",
    }
}

fn property(sheet: &mut Sheet, prop: &PropDecl) {
    sheet.head(2, prop.name.as_str(), &shown_value(prop.default.as_ref()));
    sheet.line(4, "Class", if prop.extension { "extension" } else { "standard" });
    sheet.line(4, "Description", &or_null(&prop.description));
    sheet.line(4, "Per-node", truth(prop.per_node));
    sheet.line(4, "Type", type_word(prop.prop_type));
    sheet.line(4, "Tunable", prop.tunable.word());
}

/// `list-props`.
pub fn properties(
    types: &[&TypeView],
    only: &[String],
    verbose: bool,
    json: bool,
) -> Result<String, Failure> {
    let mut props: Vec<&PropDecl> = Vec::new();
    for prop in types.iter().flat_map(|t| &t.declaration.props) {
        let wanted = only.is_empty() || only.iter().any(|name| prop.name.is(name));
        if wanted && !props.iter().any(|known| known.name == prop.name) {
            props.push(prop);
        }
    }
    if json {
        return crate::json::pretty(&props);
    }
    if !verbose {
        return Ok(props.iter().map(|p| format!("{}\n", p.name)).collect());
    }
    let row = |p: &&PropDecl| vec![p.name.to_string(), plain(&or_null(&p.description))];
    Ok(Table::list(&[("Properties", 20), ("Descriptions", 0)], props.iter().map(row).collect()))
}

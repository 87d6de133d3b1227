//! The registration file of the sample data service.

use rgm_types::{Method, Tunable, Value};

const SAMPLE: &[u8] = include_bytes!("../../samples/SUNW.sample");

#[test]
fn the_sample_is_clean_and_already_canonical() {
    let parsed = rtr_parser::parse("SUNW.sample", SAMPLE);
    assert_eq!(parsed.diagnostics, []);
    assert_eq!(rtr_parser::format(&parsed.declarations).as_bytes(), SAMPLE);
}

#[test]
fn the_sample_declares_what_ha_dns_is() {
    let rt = rtr_parser::parse("SUNW.sample", SAMPLE).resource_type.expect("no errors");
    assert_eq!(rt.name.as_str(), "SUNW.sample", "no #$upgrade, so the version is no part of the name");
    assert_eq!((rt.version.as_str(), rt.api_version, rt.failover), ("1.0", 2, true));
    assert_eq!(rt.method_path(Method::Stop).as_deref(), Some("/opt/SUNWsample/bin/dns_svc_stop"));
    assert_eq!(rt.methods.len(), 7);

    let int = |name: &str| rt.prop(name).map(|p| (p.min, p.max, p.default.as_ref().and_then(Value::int)));
    assert_eq!(int("Start_timeout"), Some((Some(60), None, Some(300))));
    assert_eq!(int("Retry_count"), Some((Some(0), Some(10), Some(2))));
    assert_eq!(int("Retry_interval"), Some((Some(60), Some(3600), Some(300))));
    assert_eq!(int("Probe_timeout"), Some((None, None, Some(120))));
    assert_eq!(int("Monitor_check_timeout"), Some((Some(1), None, Some(3600))), "declared method, no entry");
    assert_eq!(int("Init_timeout"), None, "no such method");

    let confdir = rt.prop("confdir").expect("declared");
    assert_eq!((confdir.extension, confdir.tunable, &confdir.default), (true, Tunable::AtCreation, &None));
    let network = rt.prop("Network_resources_used").expect("declared");
    assert_eq!((network.tunable, &network.default), (Tunable::AtCreation, &Some(Value::StringArray(vec![]))));
    let mode = rt.prop("Failover_mode").expect("every resource has it");
    assert_eq!(mode.default, Some(Value::Enum("NONE".to_owned())));
}

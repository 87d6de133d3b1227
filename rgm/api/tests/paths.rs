//! Where things lie, by environment.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what is missing fails the test")]

use rgm_api::Paths;
use rgm_types::NodeName;
use std::ffi::OsString;
use std::path::Path;

fn paths(vars: &[(&str, &str)]) -> Paths {
    Paths::from_vars(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into())).unwrap()
}

#[test]
fn without_variables_everything_lies_where_the_manual_says() {
    for vars in [&[][..], &[("RGM_RUN_DIR", ""), ("RGM_NODE", "")]] {
        let paths = paths(vars);
        assert_eq!(paths.rgmd_socket(), Path::new("/run/rgm/rgmd.sock"));
        assert_eq!(paths.pmfd_socket(), Path::new("/run/rgm/pmfd.sock"));
        assert_eq!(paths.ccr_file(), Path::new("/var/lib/rgm/ccr.redb"));
        assert_eq!(paths.config(), Path::new("/etc/rgm/rgm.toml"));
        assert_eq!(paths.node(), None);
    }
}

#[test]
fn a_named_node_has_directories_of_its_own_and_shares_the_configuration() {
    let cluster = paths(&[("RGM_RUN_DIR", "/r"), ("RGM_STATE_DIR", "/s/"), ("RGM_CONFIG", "/c.toml")]);
    let node = cluster.for_node(&NodeName::new("phys-1").unwrap());
    assert_eq!(node.rgmd_socket(), Path::new("/r/phys-1/rgmd.sock"));
    assert_eq!(node.pmfd_socket(), Path::new("/r/phys-1/pmfd.sock"));
    assert_eq!(node.state_dir(), Path::new("/s/phys-1"));
    assert_eq!(node.ccr_file(), Path::new("/s/ccr.redb"));
    assert_eq!(node.cluster_run_dir(), Path::new("/r"));
    assert_eq!(node.cluster_state_dir(), Path::new("/s"));
    assert_eq!(node.for_cluster(), cluster);
}

#[test]
fn a_process_given_these_variables_means_the_same_paths() {
    for node in [None, Some("phys-2")] {
        let mut here = paths(&[("RGM_RUN_DIR", "run"), ("RGM_STATE_DIR", "/s")]);
        if let Some(node) = node {
            here = here.for_node(&NodeName::new(node).unwrap());
        }
        let vars = here.to_env();
        let find = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone());
        assert_eq!(Paths::from_vars(find).unwrap(), here);
        assert!(here.run_dir().is_absolute(), "{}", here.run_dir().display());
    }
}

#[test]
fn a_node_name_that_leads_elsewhere_is_refused() {
    for name in ["../phys-1", "a/b", "-x", "."] {
        let refused = Paths::from_vars(|var| (var == "RGM_NODE").then(|| OsString::from(name)));
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("RGM_NODE") && text.contains(name), "{text}");
    }
}

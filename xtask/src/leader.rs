//! Which member of etcd leads the others.

use crate::run;
use anyhow::Result;
use rgm_tests::kit::machines::Site;
use serde_json::Value;

/// The number of the machine whose member of etcd leads, as the members that run see it.
pub fn of_etcd(site: &Site) -> Result<Option<usize>> {
    for number in (0..site.etcd.size()).filter(|number| site.etcd.pid(*number).is_some()) {
        let mut status = site.etcd.etcdctl(number);
        let said = run::output(status.args(["--command-timeout", "1s", "endpoint", "status", "-w", "json"]))?;
        let Ok(said) = serde_json::from_slice::<Value>(&said.stdout) else { continue };
        let id = |path: &str| said.pointer(path).and_then(Value::as_u64).filter(|id| *id != 0);
        if let Some(leader) = id("/0/Status/leader")
            && id("/0/Status/header/member_id") == Some(leader)
        {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

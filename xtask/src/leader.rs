//! Which member of etcd leads the others.

use crate::run;
use anyhow::Result;
use rgm_tests::kit::machines::Site;
use rgm_tests::kit::until;
use serde_json::Value;

/// The number of the machine whose member of etcd leads, as the members that run see it.
pub fn of_etcd(site: &Site) -> Result<Option<usize>> {
    for number in (0..site.etcd.size()).filter(|number| site.etcd.pid(*number).is_some()) {
        if let Some((me, leader)) = ask(site, number)?
            && me == leader
        {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// Lets the member on that machine lead.
pub fn set_of_etcd(site: &Site, number: usize) -> Result<()> {
    until("the member of etcd leads", || {
        let Some(leader) = of_etcd(site)? else { return Ok(None) };
        if leader == number {
            return Ok(Some(()));
        }
        if let Some((me, _)) = ask(site, number)? {
            // Refused while it does not know enough yet: it is asked again.
            let _refused = run::output(site.etcd.etcdctl(leader).args(["move-leader", &format!("{me:x}")]))?;
        }
        Ok(None)
    })
}

/// What a member says of itself: its id, and that of who leads.
fn ask(site: &Site, number: usize) -> Result<Option<(u64, u64)>> {
    let mut status = site.etcd.etcdctl(number);
    let said = run::output(status.args(["--command-timeout", "1s", "endpoint", "status", "-w", "json"]))?;
    let said: Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
    let id = |path: &str| said.pointer(path).and_then(Value::as_u64).filter(|id| *id != 0);
    Ok(id("/0/Status/header/member_id").zip(id("/0/Status/leader")))
}

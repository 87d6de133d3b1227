//! What a watcher, such as rgmd, is told.

use rgm_api::pmf::{Kind, Reply, Request};

use crate::kit::{Node, run};

#[test]
fn an_exceeded_tag_of_a_resource_is_told_until_it_is_acknowledged_restarts_of_pmfd_included() {
    let mut node = Node::new();
    let mut command = node.adm_command(&["-c", "dns-rs.named", &node.dying()]);
    assert_eq!(run(command.env("RGM_RESOURCE", "dns-rs").env("RGM_GROUP", "dns-rg")).code, 0);
    node.ok(&["-c", "nobodys", &node.dying()]);
    node.eventually_gone("dns-rs.named");
    node.eventually_gone("nobodys");
    let told = node.event(|_| true);
    assert_eq!((told.tag.as_str(), told.kind), ("dns-rs.named", Kind::Exceeded));
    let owner = told.owner.clone().unwrap();
    assert_eq!((owner.resource.as_str(), owner.group.as_str()), ("dns-rs", "dns-rg"));
    node.kill_pmfd();
    node.start();
    assert_eq!(node.event(|_| true), told, "it comes back as it was");
    assert_eq!(node.client().call(&Request::Ack { seq: told.seq }).unwrap(), Reply::Done {});
    node.kill_pmfd();
    node.start();
    node.ok(&["-c", "dns-rs.named", "/bin/sleep", "1000"]);
    let next = {
        let node = &node;
        std::thread::scope(|scope| {
            let heard = scope.spawn(|| node.event(|_| true));
            crate::kit::eventually("the watcher hears of a restart", || {
                node.ok(&["-m", "dns-rs.named", "-n", "-1"]);
                node.ok(&["-k", "dns-rs.named", "-w", "-1"]);
                heard.is_finished()
            });
            heard.join().unwrap()
        })
    };
    assert_eq!(next.kind, Kind::Restarted, "the acknowledged one is not told again");
    assert!(next.seq > told.seq);
}

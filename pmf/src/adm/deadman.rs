//! The deadman, for operators.

use std::fmt::Write;

use rgm_api::pmf::{Armed, DeadmanView, Failfast, Fired, Reply};

/// The firing told of in an answer, unless it is acknowledged.
pub fn fired_in(reply: Reply) -> Option<Fired> {
    let Reply::Deadman(view) = reply else { return None };
    view.fired.filter(|fired| !fired.acknowledged)
}

/// All there is to say, in lines.
pub fn describe(view: &DeadmanView) -> String {
    let mut text = String::new();
    match (&view.armed, &view.fired) {
        (Some(armed), _) => describe_armed(&mut text, armed, view.now_boot_ms),
        (None, Some(fired)) if !fired.acknowledged => {
            text.push_str("deadman: fired; nothing is started here until that is acknowledged\n");
        }
        (None, _) => text.push_str("deadman: not armed\n"),
    }
    if let Some(fired) = &view.fired {
        describe_fired(&mut text, fired, view.now_boot_ms);
    }
    text
}

// Writing to a string can't fail.
macro_rules! line {
    ($text:expr, $($format:tt)*) => { let _written = writeln!($text, $($format)*); };
}

fn describe_armed(text: &mut String, armed: &Armed, now_ms: u64) {
    let left = seconds(armed.deadline_boot_ms.saturating_sub(now_ms));
    let since = seconds(now_ms.saturating_sub(armed.renewed_boot_ms));
    line!(text, "deadman: armed; fires in {left} s, renewed {since} s ago");
    let failfast = match &armed.failfast {
        Failfast::Kill => "kill".to_owned(),
        Failfast::Reboot => "reboot".to_owned(),
        Failfast::Watchdog { device } => format!("watchdog {}", device.display()),
    };
    line!(text, "\tfailfast: {failfast}");
    for cgroup in &armed.cgroups {
        line!(text, "\tkills besides the tags: {}", cgroup.display());
    }
}

fn describe_fired(text: &mut String, fired: &Fired, now_ms: u64) {
    let ago = seconds(now_ms.saturating_sub(fired.fired_boot_ms));
    let late = fired.fired_boot_ms.saturating_sub(fired.deadline_boot_ms);
    let acknowledged = if fired.acknowledged { "acknowledged" } else { "not acknowledged" };
    line!(
        text,
        "last fired: {ago} s ago, {late} ms after a deadline that rgmd did not renew; {acknowledged}"
    );
    let killed = fired.killed_boot_ms.saturating_sub(fired.deadline_boot_ms);
    line!(text, "\tkilled: {killed} ms after the deadline");
    match fired.empty_boot_ms {
        Some(empty) => {
            let after = empty.saturating_sub(fired.deadline_boot_ms);
            line!(text, "\tlast process gone: {after} ms after the deadline");
        }
        None => {
            line!(text, "\tlast process gone: not yet");
        }
    }
    line!(text, "\taddresses taken down: {}", fired.addresses);
    for stuck in &fired.stuck {
        line!(text, "\tkilled and still there: {stuck}");
    }
    for failure in &fired.failures {
        line!(text, "\tfailed: {failure}");
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{}", ms / 1000, ms % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_reads_how_long_it_is_armed_for_and_when_it_fired_and_why() {
        let armed = Armed {
            deadline_boot_ms: 12_600,
            renewed_boot_ms: 10_700,
            failfast: Failfast::Watchdog { device: "/dev/watchdog".into() },
            cgroups: vec!["/sys/fs/cgroup/rgm/a/methods".into()],
        };
        let mut view = DeadmanView { now_boot_ms: 11_000, armed: Some(armed), fired: None };
        assert_eq!(
            describe(&view),
            "deadman: armed; fires in 1.6 s, renewed 0.3 s ago\n\tfailfast: watchdog /dev/watchdog\n\
             \tkills besides the tags: /sys/fs/cgroup/rgm/a/methods\n"
        );
        view.armed = None;
        assert_eq!(describe(&view), "deadman: not armed\n");
        view.fired = Some(Fired {
            deadline_boot_ms: 6_000,
            fired_boot_ms: 6_001,
            killed_boot_ms: 6_003,
            empty_boot_ms: None,
            acknowledged: false,
            addresses: 2,
            stuck: vec!["77 (dd) D".to_owned()],
            failures: Vec::new(),
        });
        assert_eq!(
            describe(&view),
            "deadman: fired; nothing is started here until that is acknowledged\n\
             last fired: 4.9 s ago, 1 ms after a deadline that rgmd did not renew; not acknowledged\n\
             \tkilled: 3 ms after the deadline\n\tlast process gone: not yet\n\taddresses taken down: 2\n\tkilled and still there: 77 (dd) D\n"
        );
    }
}

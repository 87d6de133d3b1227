//! What a fault monitor of file systems makes of what it sees: pure.

/// How a file system is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Mounted, and readable and writable as asked.
    Well,
    /// It is not mounted any more, or something else is mounted there.
    Gone(String),
    /// It was mounted for writing, and can only be read.
    ReadOnly(String),
    /// Reading or writing fails.
    Fails(String),
    /// Reading or writing does not end.
    Hangs(String),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Well,
    /// Look again at once: it failed once.
    Again(String),
    /// Mount it again.
    Restart(String),
    /// This node can't have it.
    GiveOver(String),
}

/// What it remembers between two looks.
#[derive(Debug, Default)]
pub struct Judge {
    failed: bool,
}

impl Judge {
    /// What is to be done about it; `may_restart`: RGM has counted fewer restarts than Retry_count.
    pub fn weigh(&mut self, findings: &[Finding], may_restart: bool) -> Verdict {
        let failed_before = std::mem::replace(&mut self.failed, false);
        let Some(worst) = findings.iter().max_by_key(|finding| rank(finding)) else { return Verdict::Well };
        match worst {
            Finding::Well => Verdict::Well,
            Finding::Gone(why) if may_restart => Verdict::Restart(why.clone()),
            Finding::Fails(why) if !failed_before => {
                self.failed = true;
                Verdict::Again(why.clone())
            }
            Finding::Gone(why) | Finding::Fails(why) | Finding::ReadOnly(why) | Finding::Hangs(why) => {
                Verdict::GiveOver(why.clone())
            }
        }
    }
}

/// What another node mends comes before what a restart mends here.
fn rank(finding: &Finding) -> u8 {
    match finding {
        Finding::Well => 0,
        Finding::Fails(_) => 1,
        Finding::Gone(_) => 2,
        Finding::ReadOnly(_) => 3,
        Finding::Hangs(_) => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn what_is_gone_is_mounted_again_while_that_may_be_done() {
        let gone = [Finding::Well, Finding::Gone(why("gone"))];
        assert_eq!(Judge::default().weigh(&gone, true), Verdict::Restart(why("gone")));
        assert_eq!(Judge::default().weigh(&gone, false), Verdict::GiveOver(why("gone")));
    }

    #[test]
    fn a_failure_is_looked_at_twice_in_a_row_before_another_node_is_asked_for() {
        let mut judge = Judge::default();
        let fails = [Finding::Fails(why("EIO"))];
        assert_eq!(judge.weigh(&fails, true), Verdict::Again(why("EIO")));
        assert_eq!(judge.weigh(&[Finding::Well], true), Verdict::Well);
        assert_eq!(judge.weigh(&fails, true), Verdict::Again(why("EIO")));
        assert_eq!(judge.weigh(&fails, true), Verdict::GiveOver(why("EIO")));
    }

    #[test]
    fn what_no_restart_mends_goes_to_another_node_at_once() {
        for worst in [Finding::Hangs(why("x")), Finding::ReadOnly(why("x"))] {
            let findings = [Finding::Gone(why("gone")), worst, Finding::Fails(why("EIO"))];
            assert_eq!(Judge::default().weigh(&findings, true), Verdict::GiveOver(why("x")));
        }
        assert_eq!(Judge::default().weigh(&[], true), Verdict::Well);
    }
}

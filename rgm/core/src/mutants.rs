//! Deliberate defects, for those who prove that they would be noticed: each is a line left out or
//! turned round somewhere in this crate. Without the feature `mutants` nothing of them is compiled.

#[cfg(feature = "mutants")]
use crate::Rgm;

/// True where this defect is wanted of this manager; `false` without the feature.
macro_rules! mutant {
    ($rgm:expr, $name:ident) => {{
        #[cfg(feature = "mutants")]
        let wanted = $rgm.mutant == Some($crate::mutants::Mutant::$name);
        #[cfg(not(feature = "mutants"))]
        let wanted = false;
        wanted
    }};
}

/// Makes the list of defects of a crate or of a simulator: each a name, and the sentence above it that
/// says what is wrong.
#[macro_export]
macro_rules! mutants {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// A deliberate defect.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutant {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Mutant {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// What is wrong, in a sentence.
            pub fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

#[cfg(feature = "mutants")]
mutants! {
    /// A failover group starts while another node still stops it.
    SkipStopElsewhere,
    /// START does not wait for strong dependencies.
    StartBeforeDependency,
    /// START does not wait until the attempt of a weak dependency has ended.
    StartBesideWeakDependency,
    /// STOP does not wait for dependents that go down too.
    StopBeforeDependents,
    /// START does not wait for every PRENET_START of its group.
    StartBeforePrenet,
    /// START waits for the PRENET_START of a resource that will never run it.
    WaitForTheHopeless,
    /// STOP does not wait for its own MONITOR_STOP.
    SkipMonitorStop,
    /// POSTNET_STOP does not wait for the other STOPs of the group.
    PostnetBeforeStop,
    /// Other methods do not wait for a MONITOR_START under way.
    OverlapMonitorStart,
    /// A group starts although a stop of it has failed.
    StartWhileFrozen,
    /// A start does not wait for INIT or BOOT.
    StartBeforeInit,
    /// UPDATE is never run.
    NeverUpdate,
    /// That an UPDATE is owed is not written down with the change.
    ForgetOwedUpdate,
    /// Monitors are not started again where monitoring was off.
    NeverMonitor,
    /// A resource stays up when what it has an offline-restart dependency on goes down.
    OfflineRestartNotFollowed,
    /// Restart dependents are not restarted.
    DependentsNotRestarted,
    /// A resource that has moved does not make other groups look at what depends on it.
    BlockedNotReevaluated,
    /// The end of a method that nobody waits for any more ends the one under way there.
    AcceptStrangeEnd,
    /// A stop that failed counts as done.
    StopFailureForSuccess,
    /// A start that failed counts as done.
    StartFailureForSuccess,
    /// A STOP that was cut off with its daemon counts as done.
    LostStopForSuccess,
    /// A START that was cut off with its daemon is run again without a STOP.
    LostStartForgotten,
    /// STOP_FAILED is forgotten when the core is loaded anew.
    ForgetStopFailed,
    /// Failed starts are not remembered for Pingpong_interval.
    ForgetStartFailures,
    /// A change is carried out although a VALIDATE failed.
    IgnoreValidate,
    /// A node that has booted does not run BOOT.
    SkipBoot,
    /// What ran on a node that is gone is believed to run there still.
    RememberTheDead,
    /// INIT is not run when a group becomes managed.
    SkipInit,
    /// A request that was overtaken by a later one is never answered.
    LoseReply,
    /// Requests of a node that is gone are answered and kept.
    AnswerTwice,
    /// A RESOURCE_RESTART counts twice for Retry_count.
    CountRestartTwice,
    /// Retry_count does not bound the restarts of RESTART_ONLY.
    RestartForEver,
    /// A failed MONITOR_CHECK does not keep a giveover from a node.
    IgnoreVeto,
    /// A giveover is not remembered for Pingpong_interval.
    ForgetGiveover,
    /// A `--` does not keep a group from a node.
    IgnoreStrongNegative,
    /// A `++` does not keep a group from a node without its target.
    IgnoreStrongPositive,
    /// A group does not wait until one it has `--` for, or that has it, is gone.
    StartBesideFoe,
    /// A hard load limit is not looked at.
    ExceedHardLimit,
    /// A group does not wait until those whose room it takes have gone.
    StartBeforeRoom,
    /// Failed starts do not bar a node.
    ForgetPingpong,
    /// Groups are placed on an evacuated node.
    PlaceOnEvacuated,
    /// A suspended group is placed by itself.
    PlaceWhileSuspended,
    /// A group that found no node is not placed when one joins.
    NeverTryAgain,
    /// A change of a group is made in memory and never committed.
    KeepWriteToItself,
}

#[cfg(feature = "mutants")]
impl Rgm {
    /// Makes the manager defective.
    pub fn mutate(&mut self, mutant: Mutant) {
        self.mutant = Some(mutant);
    }
}

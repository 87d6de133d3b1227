//! Deliberate defects of the rules, for those who prove that they would be noticed. Without the
//! feature `mutants` nothing of them is compiled.

#[cfg(feature = "mutants")]
use std::cell::Cell;

/// True where this defect is wanted on this thread; `false` without the feature.
macro_rules! mutant {
    ($name:ident) => {{
        #[cfg(feature = "mutants")]
        let wanted = $crate::mutants::is($crate::mutants::Mutant::$name);
        #[cfg(not(feature = "mutants"))]
        let wanted = false;
        wanted
    }};
}

#[cfg(feature = "mutants")]
rgm_core::mutants! {
    /// The deadline is counted from the answer to a renewal, not from its request.
    DeadlineFromAnswer,
    /// A registration that is gone is believed although its node is reached.
    BelieveEtcdAlone,
    /// The margin between a node's deadline and the end of its lease is left out.
    IgnoreMargin,
    /// A new life of rgmd moves the deadline while its place still hangs on the lease of the former one.
    ForgetFormerDeadline,
    /// A place is parked and its deadman not armed for it.
    ParkWithoutDeadman,
    /// A node takes the place that another boot of its name still holds.
    TakePlaceOfTheLiving,
    /// A node that has withdrawn stands for election.
    CampaignWithdrawn,
    /// An order of an older epoch is obeyed.
    ObeyOlderEpoch,
    /// A report that another one was asked for since counts.
    BelieveOlderReport,
    /// Whoever has promised to wait with others stands for election.
    CampaignWhileBound,
    /// Whoever has promised to wait with others presides when it finds itself elected.
    PresideWhileBound,
    /// Whoever has promised to wait with others takes one without a lease for dead.
    BelieveDeathWhileBound,
    /// A death that was seen while it waited with others is believed when it waits no longer.
    BelieveWhatWasSeenBound,
    /// All are agreed though one is silent.
    AgreeWithOneSilent,
    /// An agreement lets a node live from when it hears of it.
    LiveFromAgreement,
    /// A new president does not wait for registered nodes that it does not reach.
    CallWithoutLink,
}

#[cfg(feature = "mutants")]
thread_local! {
    static WANTED: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// From now on this thread's rules are so defective, or as they are.
#[cfg(feature = "mutants")]
pub fn mutate(mutant: Option<Mutant>) {
    WANTED.set(mutant);
}

#[cfg(feature = "mutants")]
pub(crate) fn is(mutant: Mutant) -> bool {
    WANTED.get() == Some(mutant)
}

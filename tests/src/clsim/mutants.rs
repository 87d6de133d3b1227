//! Deliberate defects of what is around the rules: of pmfd, of the agent, of the daemon's order of
//! things. Those of the rules themselves are in `rgm_cluster::mutants`.

rgm_core::mutants! {
    /// The lease is given up before everything on the node was stopped.
    ReleaseBeforeStop,
    /// The mark of an evicted node is removed as soon as its lease was ended.
    StrikeAtOnce,
    /// The lease of an evicted node is not ended.
    LeaveLease,
    /// A commit does not compare the president's key.
    CommitUnguarded,
    /// A node whose link is down counts as dead.
    DownWithoutLink,
    /// The agent runs methods behind the node's deadline.
    RunPastDeadline,
    /// The end of a method that the deadman has killed is told as its failure.
    TellKilled,
    /// pmfd takes a deadline after it has fired, as if nothing had happened.
    ArmAfterFiring,
    /// A later deadline is not told to pmfd.
    NeverRearm,
    /// The journal of a former boot is believed.
    BelieveFormerBoot,
    /// A method is started before the records that tell of it are in the journal.
    RunUnrecorded,
}

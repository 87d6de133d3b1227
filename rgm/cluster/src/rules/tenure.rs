//! Until when a node may run something.
//!
//! Others may take over what runs here as soon as the lease of this node's registration has expired.
//! etcd counts its time to live from some moment after a request was sent; so the node counts from the
//! sending, and takes the margin off: before that, its deadman must have fired.

use rgm_types::Millis;

/// A lease, and the deadline that goes with it. Points of time are of this machine's boot clock.
#[derive(Debug, Clone)]
pub struct Tenure {
    margin: Millis,
    lease: i64,
    /// As etcd gave it.
    ttl: Millis,
    /// When what is under way was sent.
    asked: Millis,
    /// When the last request that succeeded was sent.
    sent: Millis,
    /// Before that one.
    earlier: Millis,
    /// The deadman is armed for it.
    armed: bool,
    /// As long as this node's place hangs on the lease of a former life: that life's deadline.
    former: Option<Millis>,
}

/// A place held by another lease, which nobody renews.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// What the deadman is armed for; `None`: it stays as it is.
    pub deadline: Option<Millis>,
    /// The lease that is not needed any more.
    pub revoke: i64,
}

impl Tenure {
    /// None yet. `former`: what the deadman is armed for by a former life, whose registration may
    /// still be there, with everything that runs.
    pub fn new(ttl: Millis, margin: Millis, former: Option<Millis>) -> Self {
        let [asked, sent, earlier] = [Millis(0); 3];
        Self { margin, lease: 0, ttl, asked, sent, earlier, armed: false, former }
    }

    /// A lease, or its renewal, is asked for now.
    pub fn ask(&mut self, now: Millis) {
        self.asked = now;
    }

    /// A lease was granted. What the deadman is to be armed for.
    pub fn granted(&mut self, lease: i64, ttl: Millis, now: Millis) -> Millis {
        (self.lease, self.ttl, self.armed) = (lease, ttl, false);
        self.renewed(now)
    }

    /// It was renewed. What the deadman is to be armed for.
    pub fn renewed(&mut self, now: Millis) -> Millis {
        self.earlier = self.sent;
        self.sent = if mutant!(DeadlineFromAnswer) { now } else { self.asked };
        self.deadline()
    }

    /// Whether the deadman was armed. Where it was not, the earlier deadline is in force.
    pub fn armed(&mut self, armed: bool) {
        self.armed |= armed;
        if !armed {
            self.sent = self.earlier;
        }
    }

    /// The lease to register under, once the deadman is armed for it.
    pub fn registers(&self) -> Option<i64> {
        self.armed.then_some(self.lease)
    }

    /// The registration hangs on this lease, not on that of a former life. What the deadman is to be
    /// armed for.
    pub fn registered(&mut self) -> Millis {
        self.former = None;
        self.deadline()
    }

    /// The lease is gone, and the registration with it: nothing but an agreement of all nodes lets this
    /// one live, until it is registered under another lease.
    pub fn lost(&mut self) {
        self.former = Some(Millis(0));
    }

    /// When the last request that succeeded was sent.
    pub fn sent(&self) -> Millis {
        self.sent
    }

    /// Id of the lease.
    pub fn lease(&self) -> i64 {
        self.lease
    }

    /// Its time to live.
    pub fn ttl(&self) -> Millis {
        self.ttl
    }

    /// When everything on this node must be dead.
    pub fn deadline(&self) -> Millis {
        let own = self.until(self.sent, self.ttl);
        // Nobody knows when the registration of the former life expires but its deadman.
        let former = self.former.filter(|_| !mutant!(ForgetFormerDeadline));
        former.map_or(own, |former| former.min(own))
    }

    /// Time left to renew it.
    pub fn left(&self, now: Millis) -> Millis {
        self.until(self.sent, self.ttl).since(now)
    }

    /// When it is to be renewed, `renewals` times within its time to live.
    pub fn renew_at(&self, renewals: u32) -> Millis {
        self.sent.after(Millis(self.ttl.0 / u64::from(renewals.max(1))))
    }

    /// The place was to be put under another lease, granted for so long upon what was asked last.
    pub fn hold(&self, held: bool, lease: i64, ttl: Millis) -> Held {
        if !held {
            return Held { deadline: None, revoke: lease };
        }
        let deadline = (!mutant!(ParkWithoutDeadman)).then(|| self.until(self.asked, ttl));
        Held { deadline, revoke: self.lease }
    }

    fn until(&self, sent: Millis, ttl: Millis) -> Millis {
        let margin = if mutant!(IgnoreMargin) { Millis(0) } else { self.margin };
        sent.after(ttl.since(margin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Millis = Millis(5000);

    fn granted(former: Option<Millis>) -> (Tenure, Millis) {
        let mut tenure = Tenure::new(TTL, Millis(500), former);
        tenure.ask(Millis(1000));
        let deadline = tenure.granted(7, TTL, Millis(1300));
        (tenure, deadline)
    }

    #[test]
    fn a_deadline_is_counted_from_the_request() {
        let (mut tenure, deadline) = granted(None);
        assert_eq!(deadline, Millis(5500));
        tenure.ask(Millis(2250));
        assert_eq!(tenure.renewed(Millis(3000)), Millis(6750));
        tenure.armed(false);
        assert_eq!(tenure.deadline(), deadline, "pmfd does not know of the later one");
    }

    #[test]
    fn a_place_is_registered_only_with_an_armed_deadman() {
        let (mut tenure, _) = granted(None);
        assert_eq!(tenure.registers(), None);
        tenure.armed(true);
        assert_eq!(tenure.registers(), Some(7));
    }

    #[test]
    fn the_deadline_of_a_former_life_holds_until_its_registration_was_replaced() {
        let (mut tenure, deadline) = granted(Some(Millis(4000)));
        assert_eq!(deadline, Millis(4000));
        tenure.armed(true);
        tenure.ask(Millis(2250));
        assert_eq!(tenure.renewed(Millis(2300)), Millis(4000));
        assert_eq!(tenure.left(Millis(2300)), Millis(4450), "the lease itself lives longer");
        assert_eq!(tenure.registered(), Millis(6750));
        let (_, deadline) = granted(Some(Millis(60_000)));
        assert_eq!(deadline, Millis(5500), "a parked place is another's as soon as it is replaced");
    }

    #[test]
    fn the_deadman_is_armed_for_longer_only_with_a_place_that_is_held() {
        let (mut tenure, _) = granted(None);
        tenure.ask(Millis(2000));
        let minute = Millis(60_000);
        let held = Held { deadline: Some(Millis(61_500)), revoke: 7 };
        assert_eq!(tenure.hold(true, 8, minute), held);
        assert_eq!(tenure.hold(false, 8, minute), Held { deadline: None, revoke: 8 });
    }
}

//! Counters: one for each reason to discard a message, and one for each thing that happens.

macro_rules! counted {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The name shown to operators.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }
    };
}

counted!(
    /// Why a datagram was discarded.
    Discard {
        /// Not an IKEv2 message, or malformed outside the protection.
        Malformed = "malformed message",
        /// An IKE_SA_INIT request longer than any peer needs.
        FirstTooLong = "IKE_SA_INIT too long",
        /// Neither SPI is known.
        UnknownSpi = "unknown IKE SPI",
        /// The message's role bits contradict the SA.
        WrongRole = "initiator flag contradicts the SA",
        /// Came in another routing instance than the SA's.
        WrongInstance = "wrong routing instance",
        /// The integrity check failed.
        Integrity = "integrity check failed",
        /// Not protected although the SA has keys.
        Unprotected = "message without protection",
        /// A response to nothing.
        UnexpectedResponse = "response without a request",
        /// A request outside the window.
        OutsideWindow = "message ID outside the window",
        /// A request that is being answered.
        BeingAnswered = "request already being answered",
        /// An exchange that this state does not know.
        WrongExchange = "exchange not possible in this state",
        /// The half-open table is full.
        HalfOpenFull = "too many half-open IKE SAs",
        /// The work queue is full.
        WorkFull = "too many key exchanges under way",
        /// Another first message with the same SPI and address.
        InitConflict = "IKE_SA_INIT differs from the one under way",
        /// A fragment (RFC 7383), which was not negotiated.
        Fragment = "fragment not negotiated",
        /// A fragment that was taken before, or one of a message that was answered.
        FragmentRepeated = "fragment repeated",
        /// A fragment beyond the bounds, or of a coarser cut than what is held.
        FragmentRefused = "fragment refused",
        /// The peer rebooted or lies: unauthenticated error about an SA.
        UnauthenticatedNotify = "unprotected notification ignored",
        /// The work's SA is gone.
        StaleWork = "result of a key exchange for an SA that is gone",
        /// The event queue is full; a failure line was lost.
        EventFull = "failure lines lost",
    }
);

counted!(
    /// What happened.
    Count {
        /// Datagrams handled.
        Received = "datagrams received",
        /// Datagrams handed out, retransmissions too.
        Sent = "datagrams sent",
        /// Requests sent again.
        Retransmitted = "requests retransmitted",
        /// Responses sent again for a retransmitted request.
        Repeated = "responses repeated",
        /// IKE_SA_INIT requests answered.
        InitAnswered = "IKE_SA_INIT answered",
        /// IKE_SA_INIT requests sent.
        InitStarted = "IKE_SA_INIT started",
        /// Cookies asked for.
        CookieSent = "cookies requested",
        /// Cookies that were wrong.
        CookieWrong = "wrong cookies",
        /// INVALID_KE_PAYLOAD sent.
        InvalidKe = "other key exchange group requested",
        /// NO_PROPOSAL_CHOSEN sent.
        NoProposal = "no proposal chosen",
        /// Authentications that failed.
        AuthFailed = "authentication failed",
        /// IKE SAs established.
        IkeUp = "IKE SAs established",
        /// IKE SAs rekeyed.
        IkeRekeyed = "IKE SAs rekeyed",
        /// Sessions set up in the place of others.
        Reauthentication = "reauthentications started",
        /// Sessions ended.
        IkeDown = "IKE SAs ended",
        /// Child SAs created.
        ChildUp = "child SAs created",
        /// Child SAs rekeyed.
        ChildRekeyed = "child SAs rekeyed",
        /// Child SAs removed.
        ChildDown = "child SAs removed",
        /// Child SAs refused.
        ChildRefused = "child SAs refused",
        /// TEMPORARY_FAILURE sent.
        TemporaryFailure = "temporary failures",
        /// Simultaneous rekeys resolved.
        Collision = "rekey collisions",
        /// Liveness probes sent.
        DpdSent = "liveness probes sent",
        /// Liveness probes answered by us.
        DpdAnswered = "liveness probes answered",
        /// Peers found dead.
        DpdDead = "peers found dead",
        /// NAT keepalives sent.
        NatKeepalive = "NAT keepalives sent",
        /// Messages joined from fragments.
        Joined = "messages joined from fragments",
        /// Messages sent as fragments.
        Cut = "messages sent as fragments",
        /// INVALID_IKE_SPI sent.
        InvalidIkeSpi = "invalid IKE SPI answered",
        /// Tokens of quick crash detection sent.
        TokenSent = "crash tokens sent",
        /// IKE SAs that their peers have proven to have lost.
        PeerCrashed = "IKE SAs lost by crashed peers",
        /// Peers sent to another gateway.
        Redirected = "peers redirected",
        /// Peers that moved.
        PeerMoved = "peers moved",
    }
);

/// The counters.
#[derive(Clone, Debug)]
pub struct Stats {
    discards: [u64; Discard::ALL.len()],
    counts: [u64; Count::ALL.len()],
}

impl Default for Stats {
    fn default() -> Self {
        Stats {
            discards: [0; Discard::ALL.len()],
            counts: [0; Count::ALL.len()],
        }
    }
}

impl Stats {
    /// How many datagrams were discarded for this reason.
    pub fn discarded(&self, reason: Discard) -> u64 {
        self.discards.get(reason as usize).copied().unwrap_or(0)
    }

    /// How often this happened.
    pub fn count(&self, what: Count) -> u64 {
        self.counts.get(what as usize).copied().unwrap_or(0)
    }

    /// Names and values of all counters.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = Count::ALL.iter().map(|c| (c.name(), self.count(*c)));
        counts.chain(Discard::ALL.iter().map(|d| (d.name(), self.discarded(*d))))
    }

    pub(crate) fn discard(&mut self, reason: Discard) {
        if let Some(n) = self.discards.get_mut(reason as usize) {
            *n += 1;
        }
    }

    pub(crate) fn add(&mut self, what: Count) {
        if let Some(n) = self.counts.get_mut(what as usize) {
            *n += 1;
        }
    }
}

//! The circuit breaker (spec §4): a state that all instances share, and one instance's view of it.
//!
//! ```text
//!            failure                 failures span 60 s
//!   Closed ───────────► Failing ─────────────────────────► Open ◄──┐
//!     ▲ ▲                  │                                │      │ probe fails
//!     │ └───── success ────┘                      300 s over│      │
//!     └──────────────── probe succeeds ◄─────────────── HalfOpen ──┘
//! ```
//!
//! The shared state is stored in `circuits` and changed by compare-and-swap. This module computes the next state, and its
//! caller stores it. Times in the state are by the store's clock, the only one that all instances share.

#[cfg(test)]
mod tests;

use std::time::Duration;

use twin_contract::JsonObject;

use crate::{Mono, StoreTime};

/// How long an instance relies on the state that it last read.
const FRESH: Duration = Duration::from_secs(1);

/// How far an instance's estimate of the store's clock may be off. A stored time that is further in the future than this
/// shows that the clock has been set back since.
const RECKONING: Duration = Duration::from_secs(1);

/// When to open, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures must span this time without a success, and without a gap of this length.
    pub failing: Duration,
    /// How long the circuit stays open.
    pub open: Duration,
    /// After this time, a probe without a result counts as lost.
    pub probe_lease: Duration,
}

/// The shared state, as stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Circuit {
    /// Attempts succeed.
    #[default]
    Closed,
    /// Attempts fail, but not for long enough yet.
    Failing {
        /// The first failure of the run.
        since: StoreTime,
        /// The last failure that was stored. A run continues as long as no gap between failures is longer than the window.
        last: StoreTime,
    },
    /// No attempts.
    Open {
        /// One probe is allowed from this time on.
        until: StoreTime,
    },
    /// One instance sends a probe.
    HalfOpen {
        /// The probe belongs to that instance until this time.
        until: StoreTime,
    },
}

/// Whether a message may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// Send it.
    Pass,
    /// Do not send it: the circuit is open.
    Refuse,
    /// The instance that stores this state first may send one attempt as a probe.
    Probe(Circuit),
    /// Do not send it, and store this state. The stored state would last too long, because the store's clock was set back
    /// after it was written. Its duration starts again now.
    Renew(Circuit),
}

/// A change of state that should be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// No more attempts from now on.
    Opened,
    /// The peer works again.
    Closed,
}

/// One instance's view of a circuit.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    circuit: Circuit,
    version: u64,
    /// The last failure that this instance saw, usually later than the stored one.
    last_failure: StoreTime,
    /// When `circuit` was read.
    read: Option<(Mono, StoreTime)>,
}

impl Breaker {
    /// Creates a view that has not read the state yet.
    pub const fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            circuit: Circuit::Closed,
            version: 0,
            last_failure: StoreTime::from_millis(0),
            read: None,
        }
    }

    /// Whether the shared state must be read again before it is used: at most once a second.
    pub fn is_stale(&self, mono: Mono) -> bool {
        self.read.is_none_or(|(read, _)| mono.since(read) >= FRESH)
    }

    /// Takes over the store's state after a load, a swap, or a swap that another instance won.
    pub fn observe(&mut self, version: u64, state: &str, store_now: StoreTime, mono: Mono) {
        self.circuit = Circuit::from_json(state);
        self.version = version;
        self.read = Some((mono, store_now));
    }

    /// Whether the shared state has ever been read.
    pub const fn is_known(&self) -> bool {
        self.read.is_some()
    }

    /// Uses the known state for another second, because the store could not be read.
    pub fn keep(&mut self, mono: Mono) {
        let now = self.now(mono);
        self.read = self.read.map(|_| (mono, now));
    }

    /// The version to swap against.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The state as last read.
    pub const fn circuit(&self) -> Circuit {
        self.circuit
    }

    /// This instance's estimate of the store's clock; `None` before it has read the state.
    fn now(&self, mono: Mono) -> StoreTime {
        self.read
            .map(|(read, store_now)| store_now.after(mono.since(read)))
            .unwrap_or_default()
    }

    /// Whether a message may be sent now.
    pub fn admit(&self, mono: Mono) -> Admission {
        let now = self.now(mono);
        let open = Circuit::Open {
            until: now.after(self.settings.open),
        };
        let probing = Circuit::HalfOpen {
            until: now.after(self.settings.probe_lease),
        };
        let (until, length, anew) = match self.circuit {
            Circuit::Closed | Circuit::Failing { .. } => return Admission::Pass,
            Circuit::Open { until } => (until, self.settings.open, open),
            Circuit::HalfOpen { until } => (until, self.settings.probe_lease, probing),
        };
        if now >= until {
            Admission::Probe(probing)
        } else if until.since(now) > length.saturating_add(RECKONING) {
            Admission::Renew(anew)
        } else {
            Admission::Refuse
        }
    }

    /// Whether deliveries that are waiting to retry should stop waiting.
    pub const fn is_open(&self) -> bool {
        matches!(
            self.circuit,
            Circuit::Open { .. } | Circuit::HalfOpen { .. }
        )
    }

    /// The state to store after the peer has answered; `None` if nothing changes.
    #[must_use = "the state has to be stored"]
    pub fn on_success(&self) -> Option<Circuit> {
        (self.circuit != Circuit::Closed).then_some(Circuit::Closed)
    }

    /// The state to store after an attempt failed; `None` if nothing changes for other instances. `probing` says whether
    /// this attempt was the probe: an older attempt that fails during a probe proves nothing.
    #[must_use = "the state has to be stored"]
    pub fn on_failure(&mut self, mono: Mono, probing: bool) -> Option<Circuit> {
        // Without the store's clock, the failure has no time that other instances can use.
        self.read?;
        let now = self.now(mono);
        let open = Circuit::Open {
            until: now.after(self.settings.open),
        };
        let seen = std::mem::replace(&mut self.last_failure, now);
        // A time in the future was stored before the clock was set back, and says nothing about the gap until now.
        let ahead = |time: StoreTime| time > now.after(RECKONING);
        let seen = if ahead(seen) {
            StoreTime::default()
        } else {
            seen
        };
        match self.circuit {
            Circuit::Closed => Some(Circuit::Failing {
                since: now,
                last: now,
            }),
            Circuit::Failing { since, last } => {
                let gap = now.since(seen.max(last));
                if gap > self.settings.failing || ahead(since) || ahead(last) {
                    // The run was interrupted: a device that rarely sends must not open the circuit for all devices.
                    Some(Circuit::Failing {
                        since: now,
                        last: now,
                    })
                } else if now.since(since) >= self.settings.failing {
                    Some(open)
                } else if now.since(last) >= self.settings.failing / 2 {
                    // Shows other instances that the failures continued without a gap. Stored at most twice per window.
                    Some(Circuit::Failing { since, last: now })
                } else {
                    None
                }
            }
            Circuit::HalfOpen { .. } if probing => Some(open),
            Circuit::Open { .. } | Circuit::HalfOpen { .. } => None,
        }
    }
}

/// The prefix of the name of a peer's circuit.
const PEER: &str = "peer/";

impl Circuit {
    /// The name under which a peer's circuit is stored.
    pub fn name_of(peer: &str) -> String {
        format!("{PEER}{peer}")
    }

    /// The peer whose circuit is stored under a name; `None` if the name is not a circuit's.
    pub fn peer_of(name: &str) -> Option<&str> {
        name.strip_prefix(PEER)
    }

    /// Parses a stored state. One that cannot be parsed (for example, from a newer release) counts as closed: a broken
    /// breaker must not stop the data.
    pub fn from_json(state: &str) -> Self {
        Self::read(state).unwrap_or_default()
    }

    fn read(state: &str) -> Option<Self> {
        let object = JsonObject::parse(state.as_bytes())?;
        let time = |name| object.number(name).map(StoreTime::from_millis);
        Some(match object.text("state")?.as_ref() {
            "failing" => Self::Failing {
                since: time("since")?,
                last: time("last")?,
            },
            "open" => Self::Open {
                until: time("until")?,
            },
            "half-open" => Self::HalfOpen {
                until: time("until")?,
            },
            _ => Self::Closed,
        })
    }

    /// The state as stored.
    pub fn to_json(self) -> String {
        let (state, times) = match self {
            Self::Closed => ("closed", [None, None]),
            Self::Failing { since, last } => {
                ("failing", [Some(("since", since)), Some(("last", last))])
            }
            Self::Open { until } => ("open", [Some(("until", until)), None]),
            Self::HalfOpen { until } => ("half-open", [Some(("until", until)), None]),
        };
        let mut json = format!(r#"{{"state":"{state}""#);
        for (name, time) in times.into_iter().flatten() {
            json.push_str(&format!(r#","{name}":{}"#, time.as_millis()));
        }
        json.push('}');
        json
    }

    /// The transition to report for a swap from `self` to `next`.
    pub const fn transition(self, next: Self) -> Option<Transition> {
        match (self, next) {
            // The open period starts again, because the clock was set back.
            (Self::Open { .. }, Self::Open { .. }) => None,
            (_, Self::Open { .. }) => Some(Transition::Opened),
            (Self::Open { .. } | Self::HalfOpen { .. }, Self::Closed) => Some(Transition::Closed),
            _ => None,
        }
    }
}

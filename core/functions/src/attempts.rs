//! The attempts of one delivery or query: how long each may take, and when the next one is due.

use std::time::Duration;

use twin_capabilities::{Clock, Random};
use twin_delivery::{Deadline, DeliverySettings, Next};

use crate::Call;

/// The remaining time and retries for one message or query.
pub(crate) struct Attempts<'a> {
    deadline: Deadline,
    settings: &'a DeliverySettings,
    retries: u32,
}

impl<'a> Attempts<'a> {
    pub(crate) const fn new(deadline: Deadline, settings: &'a DeliverySettings) -> Self {
        Self {
            deadline,
            settings,
            retries: 0,
        }
    }

    /// Whether there is time for an attempt.
    pub(crate) fn has_time(&self, call: &Call<'_, impl Clock>) -> bool {
        self.deadline.allows_attempt(call.mono())
    }

    /// How long an attempt may take.
    pub(crate) fn timeout(&self, call: &Call<'_, impl Clock>) -> Duration {
        self.deadline
            .attempt_timeout(call.mono(), self.settings.attempt_timeout)
    }

    /// Decides what follows an attempt that may be repeated; `retry_after` is the time that the peer asked for.
    pub(crate) fn next<C: Clock + Random>(
        &mut self,
        call: &Call<'_, C>,
        retry_after: Option<Duration>,
    ) -> Next {
        let left = self.deadline.time_left(call.mono());
        let random = call.capabilities().random();
        let policy = &self.settings.retry;
        let next = policy.next(self.retries, retry_after, left, random);
        self.retries += 1;
        next
    }
}

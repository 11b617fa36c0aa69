//! Who a caller is, and what it may do that the host itself answers.

use std::net::IpAddr;

use http::request::Parts;
use twin_capabilities::credentials::{Caller, Denied, Presented};
use twin_contract::Access;

use super::{Dispatch, Refusal, request_id};
use crate::{headers, telemetry::metrics};

impl Dispatch {
    /// Checks that the caller has a credential for something that the host itself does.
    ///
    /// # Errors
    /// The refusal, if it has none.
    pub(crate) async fn permit(
        &self,
        head: &Parts,
        source: Option<IpAddr>,
        access: Access,
    ) -> Result<(), Refusal> {
        let presented = headers::presented(&head.headers);
        match self.verify(head, presented, source).await {
            Ok(caller) if caller.role.opens(access) => Ok(()),
            Ok(_) => Err(Refusal::CredentialForOther(access)),
            Err(Denied::Missing) => Err(Refusal::CredentialMissing),
            Err(Denied::Wrong) => Err(Refusal::CredentialWrong),
            Err(Denied::Unavailable(cause) | Denied::Other(cause)) => {
                tracing::warn!(cause, "credentials cannot be checked");
                Err(Refusal::CredentialsUnavailable)
            }
        }
    }

    /// Checks the caller's credential. A caller without a valid one is counted, and logged with its source.
    pub(super) async fn verify(
        &self,
        head: &Parts,
        presented: Vec<(String, String)>,
        source: Option<IpAddr>,
    ) -> Result<Caller, Denied> {
        let outcome = self.settings.verifier.verify(Presented {
            method: head.method.as_str().to_owned(),
            path_with_query: head
                .uri
                .path_and_query()
                .map_or_else(String::new, |target| target.as_str().to_owned()),
            headers: presented,
        });
        let outcome = outcome.await;
        let reason = match &outcome {
            Err(Denied::Missing) => "missing",
            Err(Denied::Wrong) => "wrong",
            Ok(_) | Err(Denied::Unavailable(_) | Denied::Other(_)) => return outcome,
        };
        metrics::credential_refused(self.settings.cloud, reason);
        tracing::warn!(
            source = source.map(tracing::field::display),
            reason,
            request_id = request_id::of(&head.headers),
            "a caller without a valid credential was refused"
        );
        outcome
    }
}

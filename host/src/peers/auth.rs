//! The default credential for a peer: a key in the header that the receiving cloud reads (spec §2).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use twin_capabilities::{
    Failure, PeerAuth, Secret, Secrets, peer_auth::Departing, peers::SendFailure,
    secrets::Configured,
};

use crate::{credentials::HeaderForm, headers};

/// A key in a header, for one request.
pub(super) struct KeyAuth {
    form: HeaderForm,
    key: Configured,
    secrets: Arc<dyn Secrets>,
    /// What the key was when it was last presented.
    presented: Mutex<Option<Secret>>,
}

impl KeyAuth {
    pub(super) fn new(form: HeaderForm, key: Configured, secrets: Arc<dyn Secrets>) -> Self {
        Self {
            form,
            key,
            secrets,
            presented: Mutex::default(),
        }
    }

    fn presented(&self) -> MutexGuard<'_, Option<Secret>> {
        self.presented
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl PeerAuth for KeyAuth {
    async fn headers(&self, _: Departing<'_>) -> Result<Vec<(&'static str, Secret)>, Failure> {
        let key = self.secrets.current(&self.key).await?;
        let value = Secret::new(self.form.value(key.expose()));
        *self.presented() = Some(key);
        Ok(vec![(self.form.header(), value)])
    }

    async fn refused(&self) -> bool {
        let presented = self.presented().clone();
        match presented {
            Some(presented) => self.secrets.refused(&self.key, &presented).await,
            None => false,
        }
    }

    fn is_renewable(&self) -> bool {
        self.key.reference().is_some()
    }
}

/// Adds the credential to a request that is otherwise complete.
///
/// # Errors [`SendFailure::CredentialsUnavailable`] if the credential is not available now.
pub(super) async fn authorize(
    request: &mut reqwest::Request,
    auth: Option<&dyn PeerAuth>,
) -> Result<(), SendFailure> {
    let Some(auth) = auth else {
        return Ok(());
    };
    let departing = Departing {
        method: request.method().as_str(),
        url: request.url().as_str(),
        body: request
            .body()
            .and_then(reqwest::Body::as_bytes)
            .unwrap_or_default(),
    };
    let carried = auth.headers(departing).await.map_err(unavailable)?;
    for (name, value) in carried {
        let (name, mut value) = headers::parse(name, value.expose()).ok_or_else(|| {
            SendFailure::CredentialsUnavailable("the key cannot stand in a header".into())
        })?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    Ok(())
}

fn unavailable(failure: Failure) -> SendFailure {
    SendFailure::CredentialsUnavailable(failure.into_cause())
}

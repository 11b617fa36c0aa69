//! The host's credentials, by Google's own library.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use google_cloud_auth::{
    build_errors::Error as BuildError,
    credentials::{Builder, CacheableResource, Credentials},
    errors::CredentialsError,
};
use http::{Extensions, HeaderMap};

use crate::{GcpError, Identity};

/// What the host's tokens are good for. What it may do is said by its roles.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// How long refused credentials are left alone.
const PAUSE: Duration = Duration::from_secs(30);

/// Who the host is.
#[derive(Debug)]
pub(crate) enum Access {
    /// Nobody.
    Anonymous,
    /// The owner of the application default credentials.
    Known(Known),
}

/// Credentials. The library fetches tokens, keeps them, and renews them before they expire.
#[derive(Debug)]
pub(crate) struct Known {
    current: Mutex<Current>,
}

#[derive(Clone, Debug)]
struct Current {
    credentials: Credentials,
    since: Instant,
}

impl Access {
    /// # Errors
    /// If there are no credentials, or they cannot be read.
    pub(crate) fn open(identity: Identity) -> Result<Self, GcpError> {
        match identity {
            Identity::Anonymous => Ok(Self::Anonymous),
            Identity::Default => {
                let current = Current::find().map_err(GcpError::Credentials)?;
                let current = Mutex::new(current);
                Ok(Self::Known(Known { current }))
            }
        }
    }

    pub(crate) const fn is_anonymous(&self) -> bool {
        matches!(self, Self::Anonymous)
    }

    /// The headers that say who the host is.
    pub(crate) async fn headers(&self) -> Result<HeaderMap, CredentialsError> {
        match self {
            Self::Anonymous => Ok(HeaderMap::new()),
            Self::Known(known) => known.headers().await,
        }
    }
}

impl Current {
    fn find() -> Result<Self, BuildError> {
        let credentials = Builder::default().with_scopes([SCOPE]).build()?;
        Ok(Self {
            credentials,
            since: Instant::now(),
        })
    }
}

impl Known {
    async fn headers(&self) -> Result<HeaderMap, CredentialsError> {
        let current = {
            let current = self.current.lock();
            current.unwrap_or_else(PoisonError::into_inner).clone()
        };
        let headers = current.credentials.headers(Extensions::new()).await;
        if headers.as_ref().is_err_and(|error| !error.is_transient()) {
            self.replace(current.since);
        }
        match headers? {
            CacheableResource::New { data, .. } => Ok(data),
            // Only for callers that named what they have already.
            CacheableResource::NotModified => Ok(HeaderMap::new()),
        }
    }

    /// Looks for the credentials anew, for the calls after this one. The library never asks again for a token that was refused,
    /// but it may have been refused because a role or a federation had only just been set up.
    fn replace(&self, since: Instant) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.since == since
            && since.elapsed() >= PAUSE
            && let Ok(found) = Current::find()
        {
            *current = found;
        }
    }
}

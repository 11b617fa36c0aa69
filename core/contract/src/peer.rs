//! The names that a function can send to, the variables that say where each is, and the headers that only the runtime sets
//! or reads.

use std::{fmt, str::FromStr};

use crate::{Cloud, FunctionName, HeaderForm};

/// A name that a component can send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Peer {
    /// Receives envelopes for L2.
    Ingestion,
    /// Receives envelopes for L3.
    Writer,
    /// Answers queries.
    Reader,
    /// Forwards envelopes.
    Connector,
    /// Stores system errors.
    ErrorReporter,
    /// The management application, which is notified of system errors.
    Management,
}

/// The variables of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerVariables {
    /// Its URL, used verbatim.
    pub url: &'static str,
    /// Its own key; without it, `REMOTE_AUTH_TOKEN` is used, then the first key of `INTER_CLOUD_TOKEN`.
    pub token: &'static str,
    /// Its cloud, if the URL's host does not show it.
    pub cloud: &'static str,
    /// How a host authenticates to it: with a key unless this says otherwise.
    pub auth: &'static str,
    /// Whom a host's identity token is for.
    pub audience: &'static str,
}

impl Peer {
    /// All peers.
    pub const ALL: [Self; 6] = [
        Self::Ingestion,
        Self::Writer,
        Self::Reader,
        Self::Connector,
        Self::ErrorReporter,
        Self::Management,
    ];

    /// The name used in WIT and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingestion => "ingestion",
            Self::Writer => "writer",
            Self::Reader => "reader",
            Self::Connector => "connector",
            Self::ErrorReporter => "error-reporter",
            Self::Management => "management",
        }
    }

    /// The function that is called for a peer without a URL, if it runs in the same process. A reader calls no other reader
    /// unless it is configured to, and the management application is not a function.
    pub const fn function(self) -> Option<FunctionName> {
        match self {
            Self::Ingestion => Some(FunctionName::Ingestion),
            Self::Writer => Some(FunctionName::Writer),
            Self::Connector => Some(FunctionName::Connector),
            Self::ErrorReporter => Some(FunctionName::ErrorReporter),
            Self::Reader | Self::Management => None,
        }
    }

    /// The names of its variables.
    pub const fn variables(self) -> PeerVariables {
        macro_rules! names {
            ($url:literal, $peer:literal) => {
                PeerVariables {
                    url: $url,
                    token: concat!("REMOTE_", $peer, "_TOKEN"),
                    cloud: concat!("REMOTE_", $peer, "_CLOUD"),
                    auth: concat!("REMOTE_", $peer, "_AUTH"),
                    audience: concat!("REMOTE_", $peer, "_AUDIENCE"),
                }
            };
        }
        match self {
            Self::Ingestion => names!("REMOTE_INGESTION_URL", "INGESTION"),
            Self::Writer => names!("REMOTE_WRITER_URL", "WRITER"),
            Self::Reader => names!("REMOTE_READER_URL", "READER"),
            Self::Connector => names!("REMOTE_CONNECTOR_URL", "CONNECTOR"),
            Self::ErrorReporter => names!("REMOTE_ERROR_REPORTER_URL", "ERROR_REPORTER"),
            Self::Management => names!("MANAGEMENT_URL", "MANAGEMENT"),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A name that belongs to no peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no peer has this name")]
pub struct UnknownPeer;

impl FromStr for Peer {
    type Err = UnknownPeer;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut peers = Self::ALL.into_iter();
        peers.find(|peer| peer.as_str() == name).ok_or(UnknownPeer)
    }
}

/// The cloud that a host name (in lower case, without a port) belongs to.
pub fn cloud_of_host(host: &str) -> Option<Cloud> {
    const DOMAINS: [(&str, Cloud); 5] = [
        (".amazonaws.com", Cloud::Aws),
        (".on.aws", Cloud::Aws),
        (".azurewebsites.net", Cloud::Azure),
        (".cloudfunctions.net", Cloud::Gcp),
        (".run.app", Cloud::Gcp),
    ];
    let host = host.trim_end_matches('.');
    DOMAINS
        .into_iter()
        .find(|(domain, _)| host.ends_with(domain))
        .map(|(_, cloud)| cloud)
}

/// Whether a header concerns one connection and not the message (RFC 9110, 7.6.1). `name` is in lower case.
pub fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Whether only the runtime may set a header of a request to a peer, because it would name another receiver, another sender
/// or another message. `name` is in lower case.
pub fn is_the_runtimes(name: &str) -> bool {
    HeaderForm::is_credential(name)
        || is_hop_by_hop(name)
        || matches!(name, "host" | "content-length" | "cookie" | "expect")
}

/// Whether a function reads a header of a peer's reply. A gateway may send a hundred others, which need not cross into the
/// sandbox. `name` is in lower case.
pub fn is_read_in_replies(name: &str) -> bool {
    matches!(
        name,
        "content-type" | "retry-after" | "retry-after-ms" | "x-ms-retry-after-ms"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_is_known_by_its_name() {
        for peer in Peer::ALL {
            assert_eq!(peer.as_str().parse(), Ok(peer));
            let upper = peer.as_str().to_ascii_uppercase().replace('-', "_");
            let variables = peer.variables();
            assert_eq!(variables.token, format!("REMOTE_{upper}_TOKEN"));
            assert_eq!(variables.cloud, format!("REMOTE_{upper}_CLOUD"));
            assert_eq!(variables.auth, format!("REMOTE_{upper}_AUTH"));
            assert_eq!(variables.audience, format!("REMOTE_{upper}_AUDIENCE"));
            assert!(variables.url.ends_with(&format!("{upper}_URL")));
        }
        assert_eq!("Writer".parse::<Peer>(), Err(UnknownPeer));
    }

    #[test]
    fn a_host_name_gives_its_cloud_away() {
        for (host, cloud) in [
            ("x.execute-api.eu-west-1.amazonaws.com", Some(Cloud::Aws)),
            ("x.lambda-url.eu-west-1.on.aws", Some(Cloud::Aws)),
            ("f.azurewebsites.net.", Some(Cloud::Azure)),
            ("eu-p.cloudfunctions.net", Some(Cloud::Gcp)),
            ("s-x.a.run.app", Some(Cloud::Gcp)),
            ("amazonaws.com.example", None),
            ("run.app", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(cloud_of_host(host), cloud, "{host}");
        }
    }
}

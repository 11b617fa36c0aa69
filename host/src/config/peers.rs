//! Where each peer is: the names, what the environment says of them, and which of it counts for whom (design section 5,
//! «which next hop»).

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

use twin_contract::Cloud;

use super::Config;
use crate::{
    credentials::HeaderForm,
    function::FunctionName,
    secrets::{PrivateUrl, Secret},
};

/// A name that a component can send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Peer {
    /// Receives envelopes for L2.
    Ingestion,
    /// Receives envelopes for L3.
    Writer,
    /// Answers queries.
    Reader,
    /// Sends envelopes on.
    Connector,
    /// Stores system errors.
    ErrorReporter,
    /// The management application, told of system errors.
    Management,
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

    /// The name as it stands in WIT and in metrics.
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

    /// The function of this host that stands in for a peer without a URL. A reader asks nobody unless it is told to, and
    /// the management application is no function.
    const fn stand_in(self) -> Option<FunctionName> {
        match self {
            Self::Ingestion => Some(FunctionName::Ingestion),
            Self::Writer => Some(FunctionName::Writer),
            Self::Connector => Some(FunctionName::Connector),
            Self::ErrorReporter => Some(FunctionName::ErrorReporter),
            Self::Reader | Self::Management => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A name that is no peer's.
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

/// What the environment says of peers.
#[derive(Clone, Debug, Default)]
pub struct PeerSettings {
    /// `REMOTE_<PEER>_URL`, `_TOKEN`, `_CLOUD`.
    pub remotes: BTreeMap<Peer, RemoteSettings>,
    /// `REMOTE_AUTH_TOKEN`: the key for peers without one of their own.
    pub token: Option<Secret>,
    /// `TWIN_HTTP_PROXY`. Other proxy variables are ignored.
    pub proxy: Option<PrivateUrl>,
    /// `TWIN_EXTRA_CA_FILE`: a PEM file of authorities trusted beside the system's.
    pub extra_ca_file: Option<PathBuf>,
}

impl PeerSettings {
    pub(super) fn remote(&mut self, peer: Peer) -> &mut RemoteSettings {
        self.remotes.entry(peer).or_default()
    }
}

/// What the environment says of one peer.
#[derive(Clone, Debug, Default)]
pub struct RemoteSettings {
    /// Used verbatim; without it the peer is not remote.
    pub url: Option<PrivateUrl>,
    /// Its own key.
    pub token: Option<Secret>,
    /// Its cloud, where the URL's host does not tell.
    pub cloud: Option<Cloud>,
}

/// Where a peer is, for one caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding<'a> {
    /// Behind a URL.
    Remote {
        /// Used verbatim.
        url: &'a PrivateUrl,
        /// How the key travels.
        form: HeaderForm,
        /// The key; none if there is none to send.
        key: Option<&'a Secret>,
    },
    /// In this process.
    Local(FunctionName),
}

impl Config {
    /// Where a peer is, for this caller: its URL if it has one, else the function of that name mounted here, but never
    /// the caller itself. None if the peer is not bound.
    pub fn binding(&self, caller: FunctionName, peer: Peer) -> Option<Binding<'_>> {
        let here = peer
            .stand_in()
            .filter(|function| *function != caller && self.functions.contains(function))
            .map(Binding::Local);
        // Errors stay in their cloud where they can (specification section 4: a local topic, a local reporter).
        if peer == Peer::ErrorReporter && here.is_some() {
            return here;
        }
        let remote = self.peers.remotes.get(&peer);
        if let Some((remote, url)) = remote.and_then(|remote| Some((remote, remote.url.as_ref()?)))
        {
            return Some(Binding::Remote {
                url,
                form: HeaderForm::of(remote.cloud.or_else(|| cloud_of(url))),
                key: remote
                    .token
                    .as_ref()
                    .or(self.peers.token.as_ref())
                    .or(self.keys.first()),
            });
        }
        here
    }
}

/// The cloud that a host name gives away.
fn cloud_of(url: &PrivateUrl) -> Option<Cloud> {
    const DOMAINS: [(&str, Cloud); 5] = [
        (".amazonaws.com", Cloud::Aws),
        (".on.aws", Cloud::Aws),
        (".azurewebsites.net", Cloud::Azure),
        (".cloudfunctions.net", Cloud::Gcp),
        (".run.app", Cloud::Gcp),
    ];
    let host = url.expose().host_str()?.trim_end_matches('.');
    DOMAINS
        .into_iter()
        .find(|(domain, _)| host.ends_with(domain))
        .map(|(_, cloud)| cloud)
}

//! Where each peer is: its names, its variables, and which value applies to which function (spec §1, "Required Variables").

use std::{collections::BTreeMap, path::PathBuf};

use twin_contract::{Cloud, QueryKey, cloud_of_host};

pub use twin_contract::{Peer, UnknownPeer};

use super::{Authentication, Config};
use crate::{
    credentials::HeaderForm,
    function::FunctionName,
    peers::Caller,
    secrets::{Configured, PrivateUrl},
};

/// The configuration of all peers.
#[derive(Clone, Debug, Default)]
pub struct PeerSettings {
    /// `REMOTE_<PEER>_URL`, `_TOKEN`, `_CLOUD`, `_AUTH`, `_AUDIENCE`.
    pub remotes: BTreeMap<Peer, RemoteSettings>,
    /// `REMOTE_AUTH_TOKEN`: the key for peers that have no key of their own.
    pub token: Option<Configured>,
    /// `TWIN_HTTP_PROXY`. Other proxy variables are ignored.
    pub proxy: Option<PrivateUrl>,
    /// `TWIN_EXTRA_CA_FILE`: a PEM file of authorities trusted in addition to the system's.
    pub extra_ca_file: Option<PathBuf>,
}

impl PeerSettings {
    pub(super) fn remote(&mut self, peer: Peer) -> &mut RemoteSettings {
        self.remotes.entry(peer).or_default()
    }
}

/// The configuration of one peer.
#[derive(Clone, Debug, Default)]
pub struct RemoteSettings {
    /// Used verbatim; without it the peer is not remote.
    pub url: Option<PrivateUrl>,
    /// Its own key.
    pub token: Option<Configured>,
    /// Its cloud, if the URL's host does not show it.
    pub cloud: Option<Cloud>,
    /// How the host authenticates to it.
    pub auth: Authentication,
    /// Whom the host's token is for, with [`Authentication::Oidc`].
    pub audience: Option<String>,
}

/// Where a peer is, as seen by one caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding<'a> {
    /// At a URL.
    Remote {
        /// Used verbatim.
        url: &'a PrivateUrl,
        /// The header form in which the key is sent.
        form: HeaderForm,
        /// The key; `None` if the URL contains the receiver's key in its query, or the host authenticates without a key.
        key: Option<&'a Configured>,
    },
    /// In this process.
    Local(FunctionName),
}

impl Config {
    /// Where a peer is for this caller: its URL if it has one, otherwise the function of that name mounted here, but never
    /// the caller itself. `None` if the peer is not bound.
    pub fn binding(&self, caller: impl Into<Caller>, peer: Peer) -> Option<Binding<'_>> {
        let caller = caller.into();
        let here = peer
            .function()
            .filter(|function| {
                Caller::Function(*function) != caller && self.functions.contains(function)
            })
            .map(Binding::Local);
        // Errors stay in their cloud if possible (spec §4: a local topic, a local reporter).
        if peer == Peer::ErrorReporter && here.is_some() {
            return here;
        }
        let remote = self.peers.remotes.get(&peer);
        if let Some((remote, url)) = remote.and_then(|remote| Some((remote, remote.url.as_ref()?)))
        {
            let form = HeaderForm::of(remote.cloud.or_else(|| cloud_of(url)));
            let common = || self.peers.token.as_ref().or(self.keys.first());
            return Some(Binding::Remote {
                url,
                form,
                key: match &remote.token {
                    None if remote.auth != Authentication::Key || has_key(url, form) => None,
                    own => own.as_ref().or_else(common),
                },
            });
        }
        here
    }
}

/// Whether a URL has a key in its query that its receiver accepts, such as an Azure portal's URL with a function key. A
/// second key in a header would conflict with it.
fn has_key(url: &PrivateUrl, form: HeaderForm) -> bool {
    form == HeaderForm::FunctionsKey && url.expose().query().is_some_and(QueryKey::is_in)
}

/// The cloud that a URL's host belongs to.
fn cloud_of(url: &PrivateUrl) -> Option<Cloud> {
    cloud_of_host(url.expose().host_str()?)
}

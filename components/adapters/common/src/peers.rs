//! `peers`: follows the native host's rules for the key, its header, and what a function may not send.

use twin_contract::{Cloud, HeaderForm, Peer, is_key, is_the_runtimes, keys};
use wasip3::http::types::Method;

use crate::{
    Neighbours, Unreadable, Variables,
    bindings::peers::{Failure, Guest, Reply, Request},
    clock,
    http::{self, Outgoing},
    neighbours,
    url::Target,
};

impl<T: Variables + Neighbours> Guest for T {
    async fn send(peer: String, request: Request, timeout_ms: u32) -> Result<Reply, Failure> {
        let peer: Peer = peer.parse().map_err(|_| Failure::UnknownPeer)?;
        clock::within(timeout_ms.into(), attempt::<T>(peer, request))
            .await
            .unwrap_or(Err(Failure::TimedOut))
    }
}

/// Sends once. The caller limits the time.
pub(crate) async fn attempt<T: Variables + Neighbours>(
    peer: Peer,
    request: Request,
) -> Result<Reply, Failure> {
    let variables = peer.variables();
    let url = T::variable(variables.url).await?;
    let url = url.ok_or(Failure::UnknownPeer)?;
    check(&request)?;
    let target = Target::parse(&url)
        .ok_or_else(|| Failure::Other(format!("{} is not a valid URL", variables.url)))?;
    let form = form::<T>(variables.cloud, &target).await?;
    let key = key::<T>(variables.token, form, &target).await?;
    neighbours::check::<T>(&target).await?;

    let mut headers = request.headers;
    if let Some(key) = key {
        headers.push((form.header().to_owned(), form.value(&key)));
    }
    http::exchange(Outgoing {
        method: match request.method.as_str() {
            "POST" => Method::Post,
            _ => Method::Get,
        },
        target: target.with_query(&request.query),
        headers,
        body: request.body,
    })
    .await
}

/// The header that carries the key, in the form of the receiving cloud.
async fn form<T: Variables>(variable: &str, target: &Target) -> Result<HeaderForm, Failure> {
    let cloud: Option<Cloud> = match T::variable(variable).await? {
        Some(name) => Some(
            name.parse()
                .map_err(|_| Failure::Other(format!("{variable} must be aws, azure or gcp")))?,
        ),
        None => T::cloud_of_host(&target.host()).await?,
    };
    Ok(HeaderForm::of(cloud))
}

/// The peer's own key, otherwise the one for all peers, otherwise the first that this function accepts. `None` if the URL
/// has the receiver's key in its query, such as an Azure portal's URL: any key except the peer's own would conflict with
/// it.
async fn key<T: Variables>(
    variable: &str,
    form: HeaderForm,
    target: &Target,
) -> Result<Option<String>, Failure> {
    let mut key = T::variable(variable).await?;
    if key.is_none() && form == HeaderForm::FunctionsKey && target.has_key() {
        return Ok(None);
    }
    if key.is_none() {
        key = T::variable("REMOTE_AUTH_TOKEN").await?;
    }
    if key.is_none() {
        let accepted = T::variable("INTER_CLOUD_TOKEN").await?.unwrap_or_default();
        key = keys(&accepted).next().map(str::to_owned);
    }
    key.filter(|key| is_key(key))
        .map(Some)
        .ok_or_else(|| Failure::CredentialsUnavailable("no key is configured".to_owned()))
}

impl From<Unreadable> for Failure {
    /// A retryable failure that is not the peer's fault.
    fn from(unreadable: Unreadable) -> Self {
        Self::CredentialsUnavailable(unreadable.to_string())
    }
}

/// Refuses methods other than GET and POST, and headers that only the runtime may set.
fn check(request: &Request) -> Result<(), Failure> {
    if !matches!(request.method.as_str(), "GET" | "POST") {
        let words = "the method is neither GET nor POST";
        return Err(Failure::RefusedByPolicy(words.to_owned()));
    }
    let headers = request.headers.iter();
    match headers
        .map(|(name, _)| name)
        .find(|name| is_the_runtimes(&name.to_ascii_lowercase()))
    {
        Some(name) => {
            let words = format!("the header {name:?} is set by the runtime");
            Err(Failure::RefusedByPolicy(words))
        }
        None => Ok(()),
    }
}

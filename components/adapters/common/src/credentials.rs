//! `credentials`: compared here, so that a function does not get the list of accepted keys.

use twin_contract::{Cloud, KeyRefusal, KeyRing, Role, is_key, keys};

use crate::{
    Unreadable, Variables,
    bindings::credentials::{Caller, Denied, Guest, Presented, Role as CallersRole},
};

impl<T: Variables> Guest for T {
    async fn verify(presented: Presented) -> Result<Caller, Denied> {
        let ring = ring::<T>().await?;
        match ring.verify(&presented.headers) {
            Ok(known) => Ok(Caller {
                name: known.name,
                role: match known.role {
                    Role::Any => CallersRole::Any,
                    Role::Hop => CallersRole::Hop,
                    Role::Operator => CallersRole::Operator,
                },
            }),
            Err(KeyRefusal::Missing) => Err(Denied::Missing),
            Err(KeyRefusal::Wrong) => Err(Denied::Wrong),
        }
    }
}

/// The keys that callers may present. Variables are not checked before the first request, so they are checked here: without
/// a name, a cloud and a key, all requests are refused.
async fn ring<T: Variables>() -> Result<KeyRing, Denied> {
    let wrong = |words: &str| Denied::Unavailable(words.to_owned());
    if T::variable("TWIN_NAME").await?.is_none() {
        return Err(wrong("TWIN_NAME is not set"));
    }
    let cloud = T::variable("TWIN_CLOUD").await?;
    let cloud: Cloud = cloud
        .and_then(|name| name.parse().ok())
        .ok_or_else(|| wrong("TWIN_CLOUD must be aws, azure or gcp"))?;
    let list = T::variable("INTER_CLOUD_TOKEN").await?.unwrap_or_default();
    let accepted: Vec<_> = keys(&list).filter(|key| is_key(key)).collect();
    if accepted.is_empty() {
        return Err(wrong("INTER_CLOUD_TOKEN holds no key"));
    }
    let list = T::variable("TWIN_OPERATOR_TOKEN").await?;
    let operators: Vec<_> = list.iter().flat_map(|list| keys(list)).collect();
    // If a malformed key were ignored, the other keys would open its routes.
    if !operators
        .iter()
        .all(|key| is_key(key) && !accepted.contains(key))
    {
        return Err(wrong(
            "TWIN_OPERATOR_TOKEN must hold other keys than INTER_CLOUD_TOKEN",
        ));
    }
    Ok(KeyRing::new(cloud, accepted).with_operators(operators))
}

impl From<Unreadable> for Denied {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unavailable(unreadable.to_string())
    }
}

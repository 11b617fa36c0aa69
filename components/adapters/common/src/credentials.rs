//! `credentials`: compared here, so that a function never sees a key.

use twin_contract::{Cloud, KeyRefusal, KeyRing, is_key, keys};

use crate::{
    Variables,
    bindings::credentials::{Caller, Denied, Guest, Presented},
    twin_name,
};

impl<T: Variables> Guest for T {
    async fn verify(presented: Presented) -> Result<Caller, Denied> {
        let ring = ring::<T>().await.map_err(Denied::Unavailable)?;
        match ring.verify(&presented.headers) {
            Ok(name) => Ok(Caller { name }),
            Err(KeyRefusal::Missing) => Err(Denied::Missing),
            Err(KeyRefusal::Wrong) => Err(Denied::Wrong),
        }
    }
}

/// The keys that callers may present. Nothing checks the variables before the first request, so it is done here: without
/// a name, a cloud and a key nobody is let in.
async fn ring<T: Variables>() -> Result<KeyRing, String> {
    twin_name::<T>().await.map_err(|_| "TWIN_NAME is not set")?;
    let cloud = T::variable("TWIN_CLOUD").await;
    let cloud: Cloud = cloud
        .and_then(|name| name.parse().ok())
        .ok_or("TWIN_CLOUD must be aws, azure or gcp")?;
    let list = T::variable("INTER_CLOUD_TOKEN").await.unwrap_or_default();
    let accepted: Vec<_> = keys(&list).filter(|key| is_key(key)).collect();
    if accepted.is_empty() {
        return Err("INTER_CLOUD_TOKEN holds no key".to_owned());
    }
    Ok(KeyRing::new(cloud, accepted))
}

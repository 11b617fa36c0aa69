//! `circuits` in a folder: one folder per name, one file per version.

use twin_adapter::{
    Failure,
    bindings::circuits::{Circuit, Guest, SwapFailure},
    clock,
};

use crate::{Adapter, folder::Folder, names, versions::Versions};

impl Guest for Adapter {
    async fn load(name: String) -> Result<Circuit, Failure> {
        let folder = Folder::open().await?;
        current(&versions(&folder, &name)).await
    }

    async fn compare_and_swap(
        name: String,
        expected_version: u64,
        state: String,
    ) -> Result<Circuit, SwapFailure> {
        let folder = Folder::open().await.map_err(SwapFailure::Store)?;
        let versions = versions(&folder, &name);
        let before = current(&versions).await.map_err(SwapFailure::Store)?;
        if before.version != expected_version {
            return Err(SwapFailure::Conflict(before));
        }
        let content = state.clone().into_bytes();
        let swapped = versions.swap(expected_version, content).await;
        if swapped.map_err(SwapFailure::Store)? {
            return Ok(circuit(expected_version + 1, state));
        }
        let winner = current(&versions).await.map_err(SwapFailure::Store)?;
        Err(SwapFailure::Conflict(winner))
    }
}

fn versions<'a>(folder: &'a Folder, name: &str) -> Versions<'a> {
    Versions {
        folder,
        path: format!("circuits/{}", names::plain(name)),
    }
}

async fn current(versions: &Versions<'_>) -> Result<Circuit, Failure> {
    let (version, content) = versions.latest().await?;
    let state = String::from_utf8(content)
        .map_err(|_| Failure::Other("corrupt circuit file: not UTF-8".to_owned()))?;
    Ok(circuit(version, state))
}

fn circuit(version: u64, state: String) -> Circuit {
    Circuit {
        version,
        state,
        now_ms: clock::millis(clock::now()),
    }
}

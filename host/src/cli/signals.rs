//! SIGTERM and SIGINT: the two ways to tell a host to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves when the process is told to stop.
pub(super) async fn told_to_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

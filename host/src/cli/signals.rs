//! SIGTERM and SIGINT stop a host. SIGHUP does not.

use tokio::signal::unix::{SignalKind, signal};

/// Makes a write beyond the file size limit (`ulimit -f`) fail like any other write; by default the signal would end the
/// process. Call it once, within the async runtime.
pub(super) fn survive_file_size_limit() -> anyhow::Result<()> {
    // The handler stays installed when this is dropped; it only has to exist.
    drop(signal(SignalKind::from_raw(libc::SIGXFSZ))?);
    Ok(())
}

/// Lets the process survive the end of its terminal: SIGHUP is ignored from now on.
pub(super) fn ignore_hangup() -> anyhow::Result<()> {
    // Once a signal has had a listener, its default action stays disabled, even without a listener.
    drop(signal(SignalKind::hangup())?);
    Ok(())
}

/// Resolves when the process should stop.
pub(super) async fn told_to_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

//! SIGTERM and SIGINT stop a host. SIGHUP does not.

use tokio::signal::unix::{SignalKind, signal};

/// Makes a write beyond the limit on the size of files (`ulimit -f`) fail like any other write, where the signal
/// would otherwise end the process. Call it once, within the async runtime.
pub(super) fn survive_file_size_limit() -> anyhow::Result<()> {
    // The handler stays when this is dropped; what matters is that there is one.
    drop(signal(SignalKind::from_raw(libc::SIGXFSZ))?);
    Ok(())
}

/// Lets the process survive the terminal that started it: SIGHUP is ignored from now on.
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

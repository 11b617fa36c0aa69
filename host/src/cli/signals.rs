//! SIGTERM and SIGINT: the two ways to tell a host to stop. SIGHUP is none.

use tokio::signal::unix::{SignalKind, signal};

/// Lets a write beyond the limit on the size of files (`ulimit -f`) fail, as any other write that fails, where the signal
/// would end the process. To be called once, within the async runtime.
pub(super) fn survive_file_size_limit() -> anyhow::Result<()> {
    // The handler stays when this is dropped: what matters is that there is one.
    drop(signal(SignalKind::from_raw(libc::SIGXFSZ))?);
    Ok(())
}

/// Lets the process outlive the terminal that started it: SIGHUP is ignored from now on.
pub(super) fn ignore_hangup() -> anyhow::Result<()> {
    // A signal that is once listened to keeps its default action off, even if nobody listens any more.
    drop(signal(SignalKind::hangup())?);
    Ok(())
}

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

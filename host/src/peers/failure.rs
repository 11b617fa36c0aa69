//! Why there is no reply: a failure of the peer, or of this host.

use std::{error::Error, io};

use rustix::io::Errno;
use tokio::net::TcpSocket;

use twin_capabilities::peers::SendFailure;

/// The operating system's error numbers for a shortage on this host: file descriptors (of the process or the machine),
/// memory or buffers.
///
/// `EADDRNOTAVAIL` is not included: besides a lack of free ports it also means that all of a peer's addresses are of a
/// family that this machine does not support, and then messages should become letters.
const LACKING: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS];

/// The failure for an error of the HTTP client. Its text never contains the URL, which may contain a key.
pub(super) fn of(error: reqwest::Error) -> SendFailure {
    if error.is_timeout() {
        return SendFailure::TimedOut;
    }
    let connecting = error.is_connect();
    let building = error.is_builder();
    let error = error.without_url();
    if is_lacking(&error) || (connecting && is_lacking_sockets(&error)) {
        SendFailure::Exhausted(words(&error))
    } else if building {
        other(error)
    } else {
        SendFailure::Unreachable(words(&error))
    }
}

/// Any other failure.
pub(super) fn other(error: impl Error + 'static) -> SendFailure {
    SendFailure::Other(words(&error))
}

/// An error and its causes, in one line.
pub(crate) fn words(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// Whether an error, or one of its causes, is a shortage on this host.
fn is_lacking(error: &(dyn Error + 'static)) -> bool {
    system_errors(error).any(|errno| LACKING.contains(&errno))
}

/// The resolver does not return the system's error. If no socket can be opened now, the resolver could not open one either.
fn is_lacking_sockets(error: &(dyn Error + 'static)) -> bool {
    system_errors(error).next().is_none()
        && TcpSocket::new_v4().is_err_and(|error| is_lacking(&error))
}

fn system_errors<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = Errno> + 'a {
    std::iter::successors(Some(error), |error| cause(*error)).filter_map(|error| {
        let error = error.downcast_ref::<io::Error>()?;
        Errno::from_io_error(error)
    })
}

/// The cause of an error. An `io::Error` made from another error has that error's source as its own.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("connecting failed")]
    struct Wrapped(#[source] io::Error);

    fn of_system(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn what_this_side_lacks_is_told_by_the_systems_number_however_deep_it_lies() {
        for (errno, lacking) in [
            (Errno::MFILE, true),
            (Errno::NFILE, true),
            (Errno::NOMEM, true),
            (Errno::NOBUFS, true),
            (Errno::ADDRNOTAVAIL, false),
            (Errno::CONNREFUSED, false),
            (Errno::CONNRESET, false),
            (Errno::HOSTUNREACH, false),
            (Errno::NETUNREACH, false),
            (Errno::TIMEDOUT, false),
            (Errno::PIPE, false),
        ] {
            assert_eq!(is_lacking(&of_system(errno)), lacking, "{errno:?}");
            assert_eq!(is_lacking(&Wrapped(of_system(errno))), lacking, "{errno:?}");
            let inside = io::Error::other(Wrapped(io::Error::other(of_system(errno))));
            assert_eq!(is_lacking(&inside), lacking, "{errno:?}");
        }
        // The text alone is not enough.
        assert!(!is_lacking(&io::Error::other(
            "Too many open files (os error 24)"
        )));
    }
}

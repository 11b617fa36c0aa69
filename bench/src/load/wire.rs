//! The part of HTTP/1.1 that is needed: the end of a message, and a response's status.

/// A complete message at the start of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Head and body.
    pub(crate) length: usize,
    /// The status of a response; 0 for a request.
    pub(crate) status: u16,
}

/// The first message in a buffer, if it is complete. Both sides here send `content-length`.
pub(crate) fn message(buffer: &[u8]) -> Option<Message> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(buffer.get(..end)?).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 "))
        .and_then(|line| line.get(..3)?.parse().ok())
        .unwrap_or(0);
    let body = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .unwrap_or(0);
    let length = end + body;
    (buffer.len() >= length).then_some(Message { length, status })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_where_its_length_says() {
        let reply = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nokHTTP";
        let message = message(reply).unwrap();
        assert_eq!((message.length, message.status), (reply.len() - 4, 202));
        assert_eq!(super::message(&reply[..reply.len() - 5]), None);
    }
}

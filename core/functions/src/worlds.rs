//! The access of each function: the worlds of `wit/worlds.wit` as trait bounds, implemented for every type with their
//! traits.

use twin_capabilities::{
    Circuits, Clock, DeadLetters, Digest, ErrorTopic, Lifecycle, Log, Peers, Random, Records,
    Settings, Verifier,
};

macro_rules! worlds {
    ($($(#[$documentation:meta])* $world:ident = $first:ident $(+ $more:ident)*;)+) => {$(
        $(#[$documentation])*
        pub trait $world: $first $(+ $more)* {}

        impl<T: $first $(+ $more)*> $world for T {}
    )+};
}

worlds! {
    /// What every function has: time, random numbers, its settings, a log, a verifier of callers.
    Portable = Clock + Random + Settings + Log + Verifier;
    /// Sends envelopes to the next layer.
    Connector = Portable + Digest + Peers + Circuits + DeadLetters + ErrorTopic + Lifecycle;
    /// Receives envelopes for L2 and forwards them to L3.
    Ingestion = Portable + Digest + Peers + ErrorTopic;
    /// Receives envelopes for L3 and stores them.
    Writer = Portable + Digest + Records + ErrorTopic;
    /// Answers queries, from its own store or from a remote reader.
    Reader = Portable + Peers + Records + ErrorTopic;
    /// Receives what the error topic delivers.
    ErrorReporter = Portable + Digest + Peers + Records;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, Request, Verdict, connector, error_reporter, ingestion, reader, writer};

    fn send<T: Send>(future: T) {
        drop(future);
    }

    /// Natively the future of each function is `Send`; otherwise this does not compile.
    #[expect(dead_code, reason = "it is checked by the compiler and never called")]
    fn all<C: Connector + Ingestion + Writer + Reader + ErrorReporter>(context: &Context<C>) {
        let request = || Request {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
            time_left_ms: None,
            verdict: Verdict::Missing,
        };
        send(connector::handle(context, request()));
        send(ingestion::handle(context, request()));
        send(writer::handle(context, request()));
        send(reader::handle(context, request()));
        send(error_reporter::handle(context, request()));
    }
}

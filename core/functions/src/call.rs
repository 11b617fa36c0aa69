//! One request in a function. An instance handles many calls at once, and each knows its own id.

use twin_capabilities::{Log, function::Request, log::Level};
use twin_contract::{REQUEST_ID, is_request_id};

use crate::{Context, gate};

/// A request that is being answered.
#[derive(Debug)]
pub struct Call<'a, C> {
    context: &'a Context<C>,
    request_id: Option<String>,
}

impl<'a, C> Call<'a, C> {
    /// Creates a call in an instance; `request_id` is its `x-request-id`.
    pub const fn new(context: &'a Context<C>, request_id: Option<String>) -> Self {
        Self {
            context,
            request_id,
        }
    }

    /// Creates the call of a request, with the request's id if that is valid.
    pub(crate) fn of(context: &'a Context<C>, request: &Request) -> Self {
        let id = gate::header(request, REQUEST_ID).filter(|id| is_request_id(id));
        Self::new(context, id.map(str::to_owned))
    }

    pub(crate) const fn context(&self) -> &'a Context<C> {
        self.context
    }

    pub(crate) const fn capabilities(&self) -> &'a C {
        self.context.capabilities()
    }

    pub(crate) fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

impl<C: Log> Call<'_, C> {
    /// Logs something that a user should look at.
    pub(crate) fn error(&self, message: &str, fields: &[(&str, &str)]) {
        self.emit(Level::Error, message, fields);
    }

    /// Logs that something is degraded.
    pub(crate) fn warn(&self, message: &str, fields: &[(&str, &str)]) {
        self.emit(Level::Warn, message, fields);
    }

    /// Queues one line. The call's own id is a field of it, `request_id`.
    fn emit(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let id = self.request_id().map(|id| ("request_id", id));
        let fields: Vec<_> = fields.iter().copied().chain(id).collect();
        self.capabilities().emit(level, message, &fields);
    }
}

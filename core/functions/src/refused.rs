//! A request that is answered early.

use twin_capabilities::{Failure, Log};
use twin_contract::ContractError;

use crate::{Call, Response, reply};

/// The response to a request that is not processed further.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Response);

impl From<ContractError> for Refused {
    fn from(error: ContractError) -> Self {
        Self(reply::refused(&error))
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self(reply::store_failed(&failure))
    }
}

impl From<Response> for Refused {
    fn from(response: Response) -> Self {
        Self(response)
    }
}

/// The response, whether the request was completed or refused.
pub(crate) fn response(ended: Result<Response, Refused>) -> Response {
    ended.unwrap_or_else(|Refused(response)| response)
}

impl<C: Log> Call<'_, C> {
    /// Refuses a request because a store failed, which is logged.
    pub(crate) fn store_failed(&self, what: &str, failure: Failure) -> Refused {
        self.error(what, &[("cause", &failure.to_string())]);
        failure.into()
    }
}

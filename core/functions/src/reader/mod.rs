//! The reader: answers queries from its own store, or asks a remote reader. `GET /read`.

mod remote;

use twin_contract::{Access, Query};
use twin_guest::{
    Function, Request, Response,
    bindings::types::Failure,
    events::{self, Incident, Severity},
    gate, listing, log, reply,
};

/// The collection that `POST /write` fills.
const COLLECTION: &str = "messages";

/// The function's name in system errors.
const COMPONENT: &str = "L3-Reader";

struct Reader;

impl Function for Reader {
    async fn handle(request: Request) -> Response {
        read(&request).await.unwrap_or_else(|response| response)
    }
}

/// The response is an `Err` where the request ended early.
async fn read(request: &Request) -> Result<Response, Response> {
    gate::admit(request, &["GET"], Access::Data).await?;
    let query = Query::of_device(&request.query).map_err(|error| reply::refused(&error))?;
    if let Some(response) = remote::ask(request).await? {
        return Ok(response);
    }
    let device_id = query.device_id.clone().unwrap_or_default();
    match listing::list(COLLECTION, device_id, query).await {
        Ok(response) => Ok(response),
        Err(failure) => {
            report(&failure).await;
            Err(reply::store_failed(&failure))
        }
    }
}

async fn report(failure: &Failure) {
    let cause = reply::describe(failure);
    log::error("records not read", &[("cause", &cause)]);
    events::publish_seldom(Incident {
        severity: Severity::Warning,
        component: COMPONENT,
        code: "RECORD_READ_FAILED",
        message: &format!("records could not be read: {cause}"),
        payload: None,
    })
    .await;
}

twin_guest::export_function!(Reader);

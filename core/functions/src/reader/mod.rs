//! The reader: answers queries from its own store, or asks a remote reader. `GET /read`.

mod remote;

use twin_capabilities::Failure;
use twin_contract::{
    Access, Query,
    registry::{collection, component},
};

use crate::{
    Call, Context, Request, Response,
    events::{self, EventCode, Incident},
    gate, listing,
    refused::{self, Refused},
    worlds,
};

/// The function's name in system errors.
const COMPONENT: &str = component::READER;

/// Answers a request.
pub async fn handle<C: worlds::Reader>(context: &Context<C>, request: Request) -> Response {
    let call = Call::of(context, &request);
    refused::response(read(&call, &request).await)
}

async fn read<C: worlds::Reader>(
    call: &Call<'_, C>,
    request: &Request,
) -> Result<Response, Refused> {
    gate::admit(call, request, &["GET"], Access::Data).await?;
    let query = Query::of_device(&request.query)?;
    if let Some(response) = remote::ask(call, request).await? {
        return Ok(response);
    }
    let device_id = query.device_id.clone().unwrap_or_default();
    match listing::list(call, collection::MESSAGES, device_id, query).await {
        Ok(response) => Ok(response),
        Err(failure) => {
            report(call, &failure).await;
            Err(failure.into())
        }
    }
}

async fn report<C: worlds::Reader>(call: &Call<'_, C>, failure: &Failure) {
    let cause = failure.to_string();
    call.error("records not read", &[("cause", &cause)]);
    let incident = Incident {
        component: COMPONENT,
        code: EventCode::RecordReadFailed,
        message: &format!("records could not be read: {cause}"),
        payload: None,
    };
    events::publish_seldom(call, incident).await;
}

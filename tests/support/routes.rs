//! Every route of every function, with a request that it accepts, for rules that hold on all of them.

use twin_host::function::{FunctionName, Request};

use crate::{
    Stage, StageBuilder,
    bodies::{ENVELOPE_L2, ENVELOPE_L3, READING, SYSTEM_ERROR},
    delete, get, post, received, reply,
};

/// A route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its function.
    pub function: FunctionName,
    /// `GET`, `POST` or `DELETE`.
    pub method: &'static str,
    /// Path and query.
    pub target: &'static str,
    /// A valid body.
    pub body: &'static str,
    /// The methods that the path allows.
    pub allow: &'static str,
    /// The status of a valid request while the peers work.
    pub status: u16,
    /// Whether it is for operators, if they have their own key.
    pub operation: bool,
}

const fn route(
    function: FunctionName,
    method: &'static str,
    target: &'static str,
    body: &'static str,
) -> Route {
    Route {
        function,
        method,
        target,
        body,
        allow: method,
        status: 200,
        operation: false,
    }
}

use FunctionName::{Connector, ErrorReporter, Ingestion, Reader, Writer};

/// All routes.
pub const ROUTES: [Route; 10] = [
    route(Connector, "POST", "/telemetry", READING),
    Route {
        operation: true,
        ..route(Connector, "GET", "/dead-letters", "")
    },
    Route {
        status: 404,
        allow: "GET, DELETE",
        operation: true,
        ..route(Connector, "GET", "/dead-letters/none", "")
    },
    Route {
        operation: true,
        ..route(Connector, "POST", "/dead-letters/replay", "{}")
    },
    route(Ingestion, "POST", "/ingest", ENVELOPE_L2),
    route(Writer, "POST", "/write", ENVELOPE_L3),
    route(Reader, "GET", "/read?device_id=d1", ""),
    Route {
        allow: "GET, POST",
        ..route(ErrorReporter, "POST", "/errors", SYSTEM_ERROR)
    },
    Route {
        allow: "GET, POST",
        operation: true,
        ..route(ErrorReporter, "GET", "/errors", "")
    },
    Route {
        status: 404,
        allow: "GET, DELETE",
        operation: true,
        ..route(Connector, "DELETE", "/dead-letters/none?reason=x", "")
    },
];

impl Route {
    /// A request that the route accepts, with the valid key in AWS's form.
    pub fn request(&self) -> Request {
        match self.method {
            "GET" => get(self.target),
            "DELETE" => delete(self.target),
            _ => post(self.target, self.body),
        }
    }

    /// The same request without any header.
    pub fn bare(&self) -> Request {
        Request {
            headers: Vec::new(),
            ..self.request()
        }
    }

    /// The function on a stage with peers that accept everything.
    pub async fn stage(&self) -> Stage {
        well(Stage::of(self.function)).await
    }
}

/// A stage with peers that accept everything, without a remote reader.
pub async fn well(builder: StageBuilder) -> Stage {
    let stage = builder.build().await;
    for peer in ["ingestion", "writer"] {
        stage.peers.answer(peer, |_, _| Ok(received("x")));
    }
    stage.peers.answer("management", |_, _| Ok(reply(204, b"")));
    stage
}

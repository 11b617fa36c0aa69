//! Azure Functions: the Functions host with a custom handler, as its documentation and the source of its `DefaultHttpWorkerService`
//! describe it.
//!
//! HTTP triggers are passed on at their own path. `POST /runtime/webhooks/EventGrid?functionName=NAME` invokes an Event Grid trigger for
//! each event, as Event Grid does.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::{
    Request, Response, StatusCode,
    body::Bytes,
    header::{HeaderName, HeaderValue},
};
use serde_json::{Value, json};
use twin_tests::hosts::{
    front::{Client, bare, serve},
    house::free_port,
    process::Running,
};

use crate::{Command, Variables, bound, listener, route};

/// How long the handler may take to answer `GET /`.
const START: Duration = Duration::from_secs(60);
/// The path to which Event Grid delivers.
const EVENT_GRID: &str = "/runtime/webhooks/EventGrid";

/// The functions of an app.
struct App {
    handler: String,
    client: Client,
    /// The routes of the HTTP triggers.
    http: Vec<String>,
    event_grid: Vec<String>,
}

/// Starts the app's custom handler, and passes requests and events to it.
pub(crate) async fn run(command: &Command, variables: Variables) {
    let folder = command.package.join("app");
    let host = read(&folder.join("host.json"));
    assert_eq!(host["extensions"]["http"]["routePrefix"], "");
    let handler = &host["customHandler"];
    assert_eq!(handler["enableProxyingHttpRequest"], true);
    let (http, event_grid) = triggers(&folder);
    let port = free_port();
    let description = &handler["description"];
    let program = description["defaultExecutablePath"].as_str().unwrap();
    let arguments = description["arguments"].as_array().unwrap();
    let child = bound(&folder.join(program))
        .args(arguments.iter().map(|argument| argument.as_str().unwrap()))
        .current_dir(&folder)
        .env_clear()
        .envs(variables)
        .env_remove("PORT")
        .env_remove("TWIN_BIND")
        .env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string())
        .env("FUNCTIONS_WORKER_RUNTIME", "custom")
        .env("WEBSITE_SITE_NAME", "twin")
        .spawn()
        .unwrap();
    let mut child = Running(child);
    let app = App {
        handler: format!("http://127.0.0.1:{port}"),
        client: Client::default(),
        http,
        event_grid,
    };
    let start = Instant::now();
    while !app.answers().await {
        if let Some(status) = child.0.try_wait().unwrap() {
            panic!("the handler ended: {status}");
        }
        assert!(start.elapsed() < START, "the handler does not answer");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let app = Arc::new(app);
    serve(listener(command).await, move |request| {
        let app = Arc::clone(&app);
        async move { app.take(request).await }
    })
    .await;
}

impl App {
    /// Whether the handler answers `GET /`, with any status.
    async fn answers(&self) -> bool {
        let answer = self.client.send(&self.handler, Request::default()).await;
        answer.status() != StatusCode::BAD_GATEWAY
    }

    async fn take(&self, mut request: Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path();
        if path == EVENT_GRID {
            return self.deliver(&request).await;
        }
        if !self.http.iter().any(|route| route::matches(route, path)) {
            return bare(StatusCode::NOT_FOUND);
        }
        // What the Functions host adds to a request that it passes on.
        for (name, value) in [
            ("x-azure-functions-hostversion", "4.1040.100"),
            (
                "x-azure-functions-invocationid",
                "5cd0a9a3-6e5a-4c1f-8a5d-1c5a3fd0f5cb",
            ),
            ("x-forwarded-for", "203.0.113.7:443"),
            ("x-arr-log-id", "8b7b7a4e-2c5c-4b7e-9d1c-8d4f8a9f7a11"),
        ] {
            request.headers_mut().insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let target = request.uri().path_and_query().unwrap().to_string();
        let url = self.handler.clone() + &target;
        self.client.send(&url, request).await
    }

    /// Invokes an Event Grid trigger for each event of a delivery. One that fails fails the delivery, which Event Grid repeats.
    async fn deliver(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let query = request.uri().query().unwrap_or_default();
        let named = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("functionName="));
        let Some(function) = self
            .event_grid
            .iter()
            .find(|name| Some(name.as_str()) == named)
        else {
            return bare(StatusCode::NOT_FOUND);
        };
        let events: Value = serde_json::from_slice(request.body()).unwrap();
        let events = match events {
            Value::Array(events) => events,
            event => vec![event],
        };
        for event in events {
            if !self.invoke(function, &event).await {
                return bare(StatusCode::INTERNAL_SERVER_ERROR);
            }
        }
        bare(StatusCode::OK)
    }

    /// Whether an invocation succeeded.
    async fn invoke(&self, function: &str, event: &Value) -> bool {
        let metadata = json!({"data": event["data"].to_string(), "sys": {"MethodName": function}});
        let invocation = json!({"Data": {"event": event}, "Metadata": metadata});
        let request = Request::post("/")
            .header("content-type", "application/json; charset=utf-8")
            .header("x-azure-functions-hostversion", "4.1040.100")
            .header(
                "x-azure-functions-invocationid",
                "0a3f7f43-5c3e-4a43-a6c8-0c38c1f6f0f4",
            )
            .body(invocation.to_string().into())
            .unwrap();
        let url = format!("{}/{function}", self.handler);
        let answer = self.client.send(&url, request).await;
        if !answer.status().is_success() {
            return false;
        }
        let result: Value = serde_json::from_slice(answer.body()).unwrap();
        assert!(result["Outputs"].is_object(), "{result}");
        assert!(result["Logs"].is_array(), "{result}");
        true
    }
}

/// The triggers of an app: of HTTP, and the names of those of Event Grid.
fn triggers(folder: &Path) -> (Vec<String>, Vec<String>) {
    let (mut http, mut event_grid) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.join("function.json");
        if !file.is_file() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let trigger = &read(&file)["bindings"][0];
        match trigger["type"].as_str().unwrap() {
            "httpTrigger" => {
                // Otherwise the platform asks for a key of its own.
                assert_eq!(trigger["authLevel"], "anonymous", "{name}");
                // Otherwise only these methods reach the host.
                assert!(trigger["methods"].is_null(), "{name}");
                http.push(trigger["route"].as_str().unwrap().to_owned());
            }
            "eventGridTrigger" => event_grid.push(name),
            other => panic!("{name}: {other}"),
        }
    }
    (http, event_grid)
}

fn read(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

//! An environment of Lambda: the real program, which asks the runtime API what to do.

use std::{
    process::ExitStatus,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use twin_tests::hosts::{
    house::Host,
    process::{Running, ask_to_stop, eventually, exit_of, keep},
    runtime_api::{Outcome, RuntimeApi},
};

/// The time of an invocation of which the test does not depend.
const PLENTY: Duration = Duration::from_secs(60);

/// A program that runs in Lambda.
pub(super) struct Environment {
    api: RuntimeApi,
    child: Running,
    logs: Arc<Mutex<String>>,
    /// With its data and key. It does not run by itself.
    host: Host,
}

/// A response to a request.
#[derive(Debug)]
pub(super) struct Answer(Value);

impl Environment {
    /// Runs the host in Lambda, whose runtime API is below `base`; `None` if the program was built without what that needs, and then
    /// the test says so.
    pub(super) async fn start(host: Host, base: &'static str) -> Option<Self> {
        let api = RuntimeApi::start(base).await;
        let mut command = host.command(["serve"]);
        command.envs([
            ("AWS_LAMBDA_RUNTIME_API", api.variable().as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "twin"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("TWIN_STORE", "local"),
            ("TWIN_EPHEMERAL", "1"),
        ]);
        let mut child = Running(command.spawn().unwrap());
        let logs = Arc::default();
        keep(child.0.stderr.take().unwrap(), &logs);
        let mut this = Self {
            api,
            child,
            logs,
            host,
        };
        let is_built_for_it = eventually("the program asks the runtime API", async || {
            let ended = this.child.0.try_wait().unwrap();
            match ended {
                // What it said may arrive after its end.
                Some(status) if this.said("built without") => Some(Err(status)),
                _ => this.api.was_asked().then_some(Ok(())),
            }
        })
        .await;
        match is_built_for_it {
            Ok(()) => Some(this),
            Err(status) => {
                println!("skipped: {status}: the program was built without the feature `aws`");
                None
            }
        }
    }

    /// Whether the log has this text.
    pub(super) fn said(&self, text: &str) -> bool {
        self.logs.lock().unwrap().contains(text)
    }

    /// Invokes it.
    pub(super) async fn invoke(&self, payload: Value) -> Outcome {
        self.api.invoke(&payload, PLENTY).await
    }

    /// Sends a request in the payload format 2.0, which must be answered.
    pub(super) async fn send(&self, request: Request<'_>, time: Duration) -> Answer {
        match self.api.invoke(&request.in_format_2(), time).await {
            Outcome::Response(answer) => Answer(answer),
            Outcome::Error(error) => panic!("{error}"),
        }
    }

    /// Posts with the key.
    pub(super) async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(self.keyed("POST", path, body), PLENTY).await
    }

    /// The items of a list.
    pub(super) async fn items(&self, target: &str) -> Vec<Value> {
        let answer = self.send(self.keyed("GET", target, ""), PLENTY).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        answer.body()["items"].as_array().unwrap().clone()
    }

    /// A request with the key.
    pub(super) fn keyed<'a>(&self, method: &'a str, target: &'a str, body: &'a str) -> Request<'a> {
        let (name, value) = self.host.credential();
        Request {
            method,
            target,
            headers: json!({name: value}),
            body,
            is_base64: false,
            caller: Value::Null,
        }
    }

    /// Ends it as Lambda does.
    pub(super) fn stop(mut self) -> ExitStatus {
        ask_to_stop(&self.child.0, "TERM");
        exit_of(&mut self.child.0)
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("its log:\n{}", self.logs.lock().unwrap());
        }
    }
}

/// A request, as HTTP API and function URL hand it over.
#[derive(Clone, Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    pub(super) headers: Value,
    pub(super) body: &'a str,
    pub(super) is_base64: bool,
    /// `requestContext.authorizer`
    pub(super) caller: Value,
}

impl Request<'_> {
    /// The only header.
    pub(super) fn header(&self) -> (String, String) {
        let (name, value) = self.headers.as_object().unwrap().iter().next().unwrap();
        (name.clone(), value.as_str().unwrap().to_owned())
    }

    fn in_format_2(&self) -> Value {
        let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": self.headers,
            "requestContext": {
                "accountId": "anonymous",
                "apiId": "url-id",
                "authorizer": self.caller,
                "domainName": "url-id.lambda-url.us-east-1.on.aws",
                "http": {"method": self.method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"},
                "requestId": "id",
                "routeKey": "$default",
                "stage": "$default",
            },
            "body": self.body,
            "isBase64Encoded": self.is_base64,
        })
    }
}

impl Answer {
    pub(super) fn status(&self) -> u64 {
        self.0["statusCode"].as_u64().unwrap()
    }

    pub(super) fn text(&self) -> &str {
        self.0["body"].as_str().unwrap()
    }

    pub(super) fn body(&self) -> Value {
        serde_json::from_str(self.text()).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

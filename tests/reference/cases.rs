//! Compares the cases of `tests/runtimes`, which run on every runtime, with `docs/openapi.json`: routes, methods, statuses
//! and headers are documented, and bodies match their schemas.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use serde_json::{Value, json};
use twin_reference::openapi;

use crate::{file, schema};

#[derive(Deserialize)]
struct Case {
    step: Vec<Step>,
}

/// The parts of a step that concern the API.
#[derive(Deserialize)]
struct Step {
    send: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    bytes: Vec<u8>,
    #[serde(default)]
    padding: usize,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    reply: String,
    allow: Option<String>,
}

/// The API's description.
struct Api(Value);

#[test]
fn every_case_keeps_to_the_openapi_document() {
    let api = Api(openapi::document());
    let folder = file("tests/runtimes/cases");
    let mut wrong = Vec::new();
    let mut checked = 0;
    for entry in fs::read_dir(folder).expect("the cases are there") {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let case: Case = toml::from_str(&text).expect("a case");
        for (number, step) in (1..).zip(&case.step) {
            let Some(send) = &step.send else { continue };
            checked += 1;
            if let Err(what) = api.check(step, send) {
                wrong.push(format!("{}, step {number}: {send}: {what}", name(&path)));
            }
        }
    }
    assert!(checked > 300, "only {checked} exchanges");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_not_documented_is_found() {
    let api = Api(openapi::document());
    let step = |status, body: &str, reply: &str| Step {
        send: None,
        headers: BTreeMap::new(),
        body: body.to_owned(),
        bytes: Vec::new(),
        padding: 0,
        status,
        reply: reply.to_owned(),
        allow: None,
    };
    let received = r#"{"status":"received","id":"x"}"#;
    let device = r#"{"device_id":"d"}"#;
    let error = r#"{"status":"error","error_code":"LETTER_LEASED","message":"m"}"#;
    assert_eq!(
        api.check(&step(200, device, received), "POST /telemetry"),
        Ok(())
    );
    for (send, step) in [
        ("POST /telemetries", step(200, device, received)),
        ("PUT /telemetry", step(200, device, received)),
        ("POST /telemetry", step(201, device, received)),
        (
            "POST /telemetry",
            step(200, device, r#"{"status":"ok","id":"x"}"#),
        ),
        ("POST /telemetry", step(200, r#"{"device":"d"}"#, received)),
        ("POST /telemetry", step(409, device, error)),
        ("GET /read", step(200, "", r#"{"items":[],"count":0}"#)),
        (
            "GET /read?device_id=d&limit=x",
            step(200, "", r#"{"items":[],"count":0}"#),
        ),
        (
            "GET /errors?device_id=d",
            step(200, "", r#"{"items":[],"count":0}"#),
        ),
    ] {
        assert!(
            api.check(&step, send).is_err(),
            "{send} {} {}",
            step.status,
            step.reply
        );
    }
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

impl Api {
    /// Checks one exchange of a case.
    fn check(&self, step: &Step, send: &str) -> Result<(), String> {
        let (method, target) = send.split_once(' ').ok_or("no method")?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let reply: Value =
            serde_json::from_str(&in_range(&step.reply)).map_err(|error| error.to_string())?;
        let reply = unmasked("", reply);
        let code = reply["error_code"].as_str().unwrap_or_default().to_owned();
        let methods = self.methods(path);
        let operation = methods.and_then(|methods| methods.get(method.to_lowercase()));
        let operation = match (code.as_str(), operation) {
            ("NOT_FOUND", None) if methods.is_none() => return self.matches(&error(), &reply),
            ("METHOD_NOT_ALLOWED", None) => {
                allows(methods, step.allow.as_deref())?;
                return self.matches(&error(), &reply);
            }
            (_, None) => return Err("the operation is not documented".to_owned()),
            (_, Some(operation)) => operation,
        };
        let response = &operation["responses"][step.status.to_string()];
        let schema = &response["content"]["application/json"]["schema"];
        if schema.is_null() {
            return Err(format!("the status {} is not documented", step.status));
        }
        self.matches(schema, &reply)?;
        if step.status < 300 {
            self.accepts(operation, step, query)
        } else {
            self.refuses(operation, step, &code)
        }
    }

    /// The operations of a path, by method. A literal path has precedence over one with a variable segment.
    fn methods(&self, path: &str) -> Option<&Value> {
        let path = path.trim_end_matches('/');
        let paths = self.0["paths"].as_object()?;
        let fits = |template: &str| {
            template.split('/').count() == path.split('/').count()
                && template
                    .split('/')
                    .zip(path.split('/'))
                    .all(|(wanted, given)| wanted == given || wanted.starts_with('{'))
        };
        paths.get(path).or_else(|| {
            paths
                .iter()
                .find(|(template, _)| fits(template))
                .map(|(_, methods)| methods)
        })
    }

    /// Checks that a request that was carried out matches the document.
    fn accepts(&self, operation: &Value, step: &Step, query: &str) -> Result<(), String> {
        let parameters = operation["parameters"].as_array().ok_or("no parameters")?;
        let documented = |place: &str, name: &str| {
            parameters
                .iter()
                .find(|parameter| parameter["in"] == place && parameter["name"] == name)
        };
        for name in step.headers.keys() {
            let general = [
                "content-type",
                "content-encoding",
                "authorization",
                "x-api-key",
                "x-functions-key",
            ];
            if documented("header", name).is_none() && !general.contains(&name.as_str()) {
                return Err(format!("the header {name} is not documented"));
            }
        }
        let given: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
        // The Azure form of a credential: see the security scheme `azure-query`.
        let credential = |name: &str| matches!(name, "code" | "clientId");
        for (name, value) in given.iter().filter(|(name, _)| !credential(name)) {
            let parameter = documented("query", name);
            let parameter =
                parameter.ok_or_else(|| format!("the parameter {name} is not documented"))?;
            let value = match parameter["schema"]["type"].as_str() {
                Some("integer") => json!(
                    value
                        .parse::<u64>()
                        .map_err(|_| format!("{name} is no integer"))?
                ),
                _ => json!(value),
            };
            self.matches(&parameter["schema"], &value)?;
        }
        let missing = parameters.iter().find(|parameter| {
            parameter["in"] == "query"
                && parameter["required"] == true
                && !given
                    .iter()
                    .any(|(name, _)| parameter["name"] == *name.as_ref())
        });
        if let Some(missing) = missing {
            return Err(format!("the parameter {} is missing", missing["name"]));
        }
        match (&operation["requestBody"], body(step)) {
            (_, Body::Coded) | (Value::Null, Body::Empty) => Ok(()),
            (Value::Null, _) => Err("a body is not documented".to_owned()),
            (documented, Body::Empty) if documented["required"] == false => Ok(()),
            (_, Body::Empty) => Err("the body is missing".to_owned()),
            (_, Body::Other) => Err("the body is not JSON".to_owned()),
            (documented, Body::Json(body)) => {
                self.matches(&documented["content"]["application/json"]["schema"], &body)
            }
        }
    }

    /// Checks that the schema also refuses a body that was refused because of its fields.
    fn refuses(&self, operation: &Value, step: &Step, code: &str) -> Result<(), String> {
        let Body::Json(body) = body(step) else {
            return Ok(());
        };
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let refused = matches!(
            code,
            "FIELD_MISSING" | "FIELD_UNKNOWN" | "BODY_NOT_AN_OBJECT"
        );
        if refused && self.matches(schema, &body).is_ok() {
            return Err(format!("the schema takes what was refused: {code}"));
        }
        Ok(())
    }

    /// Whether a document matches a schema, whose references are to this description.
    fn matches(&self, schema: &Value, document: &Value) -> Result<(), String> {
        schema::check(&self.0, schema, document)
    }
}

fn error() -> Value {
    json!({ "$ref": "#/components/schemas/Error" })
}

/// Checks that the methods that a reply allows are the documented ones.
fn allows(methods: Option<&Value>, allow: Option<&str>) -> Result<(), String> {
    let methods = methods.and_then(Value::as_object);
    let methods = methods.ok_or("the path is not documented")?;
    let mut documented: Vec<_> = methods.keys().map(|method| method.to_uppercase()).collect();
    let mut allowed: Vec<_> = allow
        .unwrap_or_default()
        .split(", ")
        .map(str::to_owned)
        .collect();
    documented.sort();
    allowed.sort();
    (documented == allowed)
        .then_some(())
        .ok_or_else(|| format!("allowed are {allowed:?}, documented {documented:?}"))
}

enum Body {
    Empty,
    Json(Value),
    Coded,
    Other,
}

/// The body that a step sends.
fn body(step: &Step) -> Body {
    if step.headers.contains_key("content-encoding") {
        return Body::Coded;
    }
    let padding = "x".repeat(step.padding);
    let bytes = [step.body.as_bytes(), &step.bytes, padding.as_bytes()].concat();
    if bytes.trim_ascii().is_empty() {
        return Body::Empty;
    }
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    let text = in_range(&String::from_utf8_lossy(text));
    serde_json::from_str(&text).map_or(Body::Other, Body::Json)
}

/// Numbers beyond the range of a float are carried unchanged, but serde_json cannot parse them.
fn in_range(text: &str) -> String {
    text.replace("1e400", "1e30")
}

/// A reply with valid values instead of the masks of the case, which stand for values that differ each time.
fn unmasked(name: &str, value: Value) -> Value {
    match value {
        Value::String(text) if text == "*" => match name {
            "at" | "timestamp" | "leased_until" => json!("2026-01-01T00:00:00Z"),
            _ if name.ends_with("_at") => json!("2026-01-01T00:00:00Z"),
            _ => json!("x"),
        },
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name.clone(), unmasked(&name, value)))
            .collect(),
        Value::Array(values) => values
            .into_iter()
            .map(|value| unmasked(name, value))
            .collect(),
        other => other,
    }
}

//! The files of an Azure Functions app whose custom handler is the program `twin`: `host.json`, and a `function.json` for each route and
//! each trigger.

use std::collections::BTreeSet;

use anyhow::Context;
use serde_json::{Value, json};
use twin_contract::{
    FunctionName,
    registry::{ERRORS_FUNCTION, HEALTH, READINESS, TELEMETRY_FUNCTION},
};

use crate::files::Files;

/// The descriptions of an app with these functions.
pub(crate) fn describe(functions: &[FunctionName]) -> anyhow::Result<Files> {
    let mut files = Files::default();
    files.add("host.json", text(&host())?);
    for path in routes(functions) {
        let route = path.trim_start_matches('/');
        let binding = json!({
            "bindings": [
                {
                    "type": "httpTrigger",
                    "direction": "in",
                    "name": "req",
                    // The host checks the callers' credentials itself. Without `methods` there are all: it answers a wrong one itself, too.
                    "authLevel": "anonymous",
                    "route": route,
                },
                { "type": "http", "direction": "out", "name": "$return" },
            ]
        });
        files.add(format!("{}/function.json", name(path)), text(&binding)?);
    }
    for (function, trigger) in [
        (FunctionName::Connector, TELEMETRY_FUNCTION),
        (FunctionName::ErrorReporter, ERRORS_FUNCTION),
    ] {
        if functions.contains(&function) {
            let binding = json!({
                "bindings": [{ "type": "eventGridTrigger", "direction": "in", "name": "event" }]
            });
            files.add(format!("{trigger}/function.json"), text(&binding)?);
        }
    }
    Ok(files)
}

fn host() -> Value {
    json!({
        "version": "2.0",
        "extensionBundle": {
            "id": "Microsoft.Azure.Functions.ExtensionBundle",
            "version": "[4.*, 5.0.0)",
        },
        // Functions are at the same paths as everywhere.
        "extensions": { "http": { "routePrefix": "" } },
        "customHandler": {
            "description": { "defaultExecutablePath": "twin", "arguments": ["serve"] },
            // Requests arrive as they were sent, at their own path.
            "enableProxyingHttpRequest": true,
        },
    })
}

/// The paths of the functions and of the host itself.
fn routes(functions: &[FunctionName]) -> BTreeSet<&'static str> {
    let operations = functions.iter().flat_map(|function| function.operations());
    let paths = operations.map(|operation| operation.path);
    paths.chain([HEALTH, READINESS]).collect()
}

/// The name of a route's function: the segments of its path, without the braces of variables.
fn name(path: &str) -> String {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let words: Vec<_> = segments
        .map(|segment| segment.trim_matches(['{', '}']).replace('_', "-"))
        .collect();
    words.join("-")
}

fn text(value: &Value) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(value).context("a description of the app")?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &Files, path: &str) -> Value {
        let (_, file) = files.iter().find(|(other, _)| *other == path).unwrap();
        serde_json::from_slice(&file.bytes).unwrap()
    }

    #[test]
    fn every_route_of_every_function_has_a_trigger_for_all_methods() {
        let files = describe(&FunctionName::ALL).unwrap();
        for function in FunctionName::ALL {
            for operation in function.operations() {
                let path = format!("{}/function.json", name(operation.path));
                let trigger = &read(&files, &path)["bindings"][0];
                assert_eq!(
                    format!("/{}", trigger["route"].as_str().unwrap()),
                    operation.path
                );
                assert!(trigger["methods"].is_null(), "{operation:?}");
            }
        }
    }

    #[test]
    fn only_what_was_asked_for_is_there() {
        let files = describe(&[FunctionName::Writer]).unwrap();
        let paths: Vec<_> = files.iter().map(|(path, _)| path).collect();
        assert_eq!(
            paths,
            [
                "healthz/function.json",
                "host.json",
                "readyz/function.json",
                "write/function.json"
            ]
        );
    }

    #[test]
    fn events_are_delivered_to_those_who_take_them() {
        let files = describe(&[FunctionName::Connector, FunctionName::ErrorReporter]).unwrap();
        for trigger in [TELEMETRY_FUNCTION, ERRORS_FUNCTION] {
            let described = read(&files, &format!("{trigger}/function.json"));
            assert_eq!(described["bindings"][0]["type"], "eventGridTrigger");
        }
    }

    #[test]
    fn names_are_such_as_the_platform_takes() {
        for function in FunctionName::ALL {
            for operation in function.operations() {
                let name = name(operation.path);
                assert!(name.starts_with(|first: char| first.is_ascii_alphabetic()));
                assert!(
                    name.chars()
                        .all(|character| character.is_ascii_alphanumeric() || character == '-'),
                    "{name}"
                );
            }
        }
        assert_eq!(name("/dead-letters/{letter_id}"), "dead-letters-letter-id");
    }
}

//! `docs/api.md`: every route, parameter, header, field, status and code.

use std::fmt::Write as _;

use serde_json::Value;
use twin_contract::{
    Access, ErrorCode, EventCode, FunctionName,
    registry::{HEALTH, METRICS, READINESS},
};

use crate::{
    GENERATED, cell,
    documents::{self, Document, Field},
    openapi,
    operations::{self, Described, EVERYWHERE},
};

const INTRODUCTION: &str = "\
The functions answer the same under the native host, Spin and other runtimes; [openapi.json](openapi.json) is this page for
programs. Paths are those of the function; `ROUTE_PREFIX` may stand before them, and where a host has exactly one function its
first route is also at `/`. All bodies are JSON (`application/json`, UTF-8).

* **Credential.** Every route but `/healthz` and `/readyz` needs a key, in the header of the receiving cloud: `x-api-key` (aws),
  `x-functions-key` or the parameter `code` (azure), or `authorization: Bearer …` (gcp). Routes for *data* are opened by a key of `INTER_CLOUD_TOKEN`,
  routes for *operators* by one of `TWIN_OPERATOR_TOKEN`, or of `INTER_CLOUD_TOKEN` where no operators' key is set.
  The native host takes a token in `authorization: Bearer …` as well, for *data*, where `TWIN_OIDC_CALLERS` is set.
* **Identity.** A message keeps one id from the first hop to the record: `idempotency-key`. The same id with the same payload is
  a repetition, and answered like the first; with another payload it is 409 `ID_REUSED`.
* **Order of checks.** Method (405, with `allow`), repeated headers (400), credential (401, 403), size and coding (413, 415), then
  the content. The first thing that is wrong is named.
* **Bodies** have at most 256 KiB. The native host also takes `content-encoding: gzip`, and announces that by
  `accept-encoding` in its replies.
* **Custody.** 200 and 202 mean that the message is durable elsewhere: do not send it again. After any other status it is still
  the caller's. 408, 429 and 5xx may be repeated with the same id; a 503 says when in `retry-after`. Other 4xx will not pass.
* **Every reply** carries `x-request-id`, `cache-control: no-store` and `x-content-type-options: nosniff`.
";

/// The page.
pub fn markdown() -> String {
    let mut page = format!("# HTTP API\n\n<!-- {GENERATED} -->\n\n{INTRODUCTION}");
    let described = operations::all();
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "\n## Routes\n\n| route | function | keys | what it does |\n|---|---|---|---|\n"
    );
    for one in &described {
        let (name, anchor) = (title(one), anchor(one));
        let _ = writeln!(
            page,
            "| [`{name}`](#{anchor}) | {} | {} | {} |",
            one.function,
            keys(one),
            cell(one.summary)
        );
    }
    for (path, keys, what) in [
        (
            HEALTH,
            "none",
            "200 `{\"status\":\"ok\"}` while the process runs.",
        ),
        (
            READINESS,
            "none",
            "200 `{\"status\":\"ready\"}` if all functions and the store can do their work, else 503 `NOT_READY`. It never asks peers.",
        ),
        (METRICS, "operators", "Metrics in Prometheus' text format."),
    ] {
        let _ = writeln!(page, "| `GET {path}` | host | {keys} | {what} |");
    }
    for one in &described {
        operation(&mut page, one);
    }
    page.push_str("\n## Documents\n");
    for document in documents::all() {
        fields(&mut page, &document);
    }
    codes(&mut page);
    names(&mut page);
    page
}

fn title(one: &Described) -> String {
    format!("{} {}", one.operation.method, one.operation.path)
}

/// The anchor that Markdown renderers give to the title.
fn anchor(one: &Described) -> String {
    title(one).to_lowercase().replace(' ', "-").replace(
        |character: char| !(character.is_alphanumeric() || "-_".contains(character)),
        "",
    )
}

const fn keys(one: &Described) -> &'static str {
    match one.operation.access {
        Access::Data => "data",
        Access::Operation => "operators",
    }
}

fn operation(page: &mut String, one: &Described) {
    let _ = write!(
        page,
        "\n### {}\n\n{} Answered by the {}, for keys of {}.\n",
        title(one),
        one.summary,
        one.function,
        keys(one)
    );
    let _ = write!(
        page,
        "\n| takes | in | required | value | meaning |\n|---|---|---|---|---|\n"
    );
    let mut row = |name: &str, place: &str, required: bool, value: &str, meaning: &str| {
        let required = if required { "yes" } else { "" };
        let _ = writeln!(
            page,
            "| {name} | {place} | {required} | {} | {} |",
            cell(value),
            cell(meaning)
        );
    };
    if one.operation.path.contains("{letter_id}") {
        row(
            "`letter_id`",
            "path",
            true,
            "string",
            "The letter's name, as a list of dead letters gives it.",
        );
    }
    for Field {
        name,
        required,
        schema,
        meaning,
    } in &one.parameters
    {
        row(
            &format!("`{name}`"),
            "query",
            *required,
            &words(schema),
            meaning,
        );
    }
    for (name, schema, meaning) in openapi::headers(one) {
        row(
            &format!("`{name}`"),
            "header",
            false,
            &words(&schema),
            meaning,
        );
    }
    if !one.body.is_empty() {
        let links: Vec<_> = one.body.iter().map(|name| link(name)).collect();
        row(
            "body",
            "body",
            one.operation.path != "/dead-letters/replay",
            &links.join(" or "),
            "",
        );
    }
    let _ = write!(page, "\n| status | answer |\n|---|---|\n");
    for (status, name) in one.successes {
        let _ = writeln!(page, "| {status} | {} |", link(name));
    }
    let own = one.errors.iter().filter(|code| !EVERYWHERE.contains(code));
    let mut by_status: Vec<(u16, Vec<String>)> = Vec::new();
    for code in own {
        let word = format!("`{}`", code.as_str());
        match by_status.last_mut() {
            Some((status, words)) if *status == code.status() => words.push(word),
            _ => by_status.push((code.status(), vec![word])),
        }
    }
    for (status, words) in by_status {
        let _ = writeln!(page, "| {status} | {} |", words.join(", "));
    }
    page.push_str("\nAnd those that [every route](#error-codes) may answer.\n");
}

fn link(name: &str) -> String {
    format!("[{name}](#{})", name.to_lowercase())
}

fn fields(page: &mut String, document: &Document) {
    let more = if document.open {
        " Other fields are carried along unchanged."
    } else {
        ""
    };
    let _ = write!(
        page,
        "\n### {}\n\n{}{more}\n\n| field | required | value | meaning |\n|---|---|---|---|\n",
        document.name, document.meaning
    );
    for Field {
        name,
        required,
        schema,
        meaning,
    } in &document.fields
    {
        let required = if *required { "yes" } else { "" };
        let _ = writeln!(
            page,
            "| `{name}` | {required} | {} | {} |",
            cell(&words(schema)),
            cell(meaning)
        );
    }
}

/// A schema in a few words.
fn words(schema: &Value) -> String {
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    let number = |key: &str| schema.get(key).and_then(Value::as_u64);
    if let Some(reference) = text("$ref") {
        return link(reference.rsplit('/').next().unwrap_or_default());
    }
    if let Some(word) = schema.get("const") {
        return format!(
            "`{}`",
            word.as_str()
                .map_or_else(|| word.to_string(), str::to_owned)
        );
    }
    if let Some(options) = schema.get("enum").and_then(Value::as_array) {
        let options: Vec<_> = options
            .iter()
            .filter_map(Value::as_str)
            .map(|word| format!("`{word}`"))
            .collect();
        return options.join(", ");
    }
    match (
        text("type"),
        text("format"),
        number("minimum"),
        number("maximum"),
    ) {
        (Some("array"), ..) => format!(
            "array of {}",
            words(schema.get("items").unwrap_or(&Value::Null))
        ),
        (_, Some("date-time"), ..) => "RFC 3339 timestamp in UTC that ends in `Z`".to_owned(),
        (Some("integer"), _, Some(least), Some(most)) => format!("integer from {least} to {most}"),
        (Some("integer"), _, Some(least), None) => format!("integer from {least}"),
        (Some("string"), ..) if text("pattern").is_some() => format!(
            "string that matches `{}`",
            text("pattern").unwrap_or_default()
        ),
        (Some("string"), ..) if number("maxLength").is_some() => {
            format!(
                "string of {} to {} characters",
                number("minLength").unwrap_or(0),
                number("maxLength").unwrap_or(0)
            )
        }
        (Some(kind), ..) => kind.to_owned(),
        (None, ..) => match schema.get("type").and_then(Value::as_array) {
            Some(kinds) => kinds
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(" or "),
            None => "any JSON".to_owned(),
        },
    }
}

fn codes(page: &mut String) {
    page.push_str(
        "\n## Error codes\n\nThe `error_code` of an [Error](#error). *Everywhere*: every route of a function may answer so.\n\n\
         | code | status | everywhere | meaning | what to do |\n|---|---|---|---|---|\n",
    );
    let general = [ErrorCode::NotFound, ErrorCode::MethodNotAllowed];
    for code in ErrorCode::ALL {
        let everywhere = EVERYWHERE.contains(code) || general.contains(code);
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} |",
            code.as_str(),
            code.status(),
            if everywhere { "yes" } else { "" },
            cell(code.meaning()),
            cell(code.advice())
        );
    }
    page.push_str(
        "\n## Codes of system errors\n\nThe `error_code` of a [SystemError](#systemerror) that functions and stores publish \
         themselves. Others may publish further ones.\n\n| code | severity | meaning | what to do |\n|---|---|---|---|\n",
    );
    for code in EventCode::ALL {
        let _ = writeln!(
            page,
            "| `{}` | {:?} | {} | {} |",
            code.as_str(),
            code.severity(),
            cell(code.meaning()),
            cell(code.advice())
        );
    }
}

fn names(page: &mut String) {
    page.push_str("\n## Functions\n\n| function | what it does | sends to | collection |\n|---|---|---|---|\n");
    for function in FunctionName::ALL {
        let peers: Vec<_> = function.peers().iter().map(|peer| peer.as_str()).collect();
        let _ = writeln!(
            page,
            "| {function} | {} | {} | {} |",
            function.purpose(),
            peers.join(", "),
            function.collections().join(", ")
        );
    }
}

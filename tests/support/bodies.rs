//! Bodies that the functions accept, and the same bodies with one change.

use serde_json::{Map, Value};

/// What a device sends.
pub const READING: &str = r#"{"device_id":"d1","time":"2026-01-01T00:00:00Z","t":1.50}"#;
/// What an ingestion accepts.
pub const ENVELOPE_L2: &str = r#"{"source_cloud":"azure","target_layer":"L2","message_type":"telemetry","timestamp":"2026-01-01T00:00:00Z","payload":{"device_id":"d1","t":1.50},"trace_id":"abc-123"}"#;
/// What a writer accepts.
pub const ENVELOPE_L3: &str = r#"{"source_cloud":"azure","target_layer":"L3","message_type":"telemetry","timestamp":"2026-01-01T00:00:00Z","payload":{"device_id":"d1","t":1.50},"trace_id":"abc-123"}"#;
/// What an error reporter accepts.
pub const SYSTEM_ERROR: &str = r#"{"twin_id":"twin-001","cloud_provider":"azure","severity":"CRITICAL","component":"L2-Persister","error_code":"DB_WRITE_FAIL","message":"quota exceeded","timestamp":"2026-01-01T00:00:00Z","raw_data":"{ }"}"#;

/// A body with a field set to a JSON value; `path` is the field's name, preceded by those of the enclosing objects.
pub fn with(body: &str, path: &str, value: &str) -> String {
    let value = serde_json::from_str(value).unwrap();
    edit(body, path, |object, name| {
        object.insert(name.to_owned(), value);
    })
}

/// A body without a field.
pub fn without(body: &str, path: &str) -> String {
    edit(body, path, |object, name| {
        object.remove(name).expect("the field was there");
    })
}

fn edit(body: &str, path: &str, change: impl FnOnce(&mut Map<String, Value>, &str)) -> String {
    let mut document: Value = serde_json::from_str(body).unwrap();
    let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
    let object = parents
        .split('.')
        .filter(|parent| !parent.is_empty())
        .fold(&mut document, |object, parent| &mut object[parent]);
    change(object.as_object_mut().unwrap(), name);
    document.to_string()
}

//! Parsed replies.

use serde_json::Value;

/// A reply.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub text: String,
}

impl Reply {
    /// The first value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find_map(|(header, value)| (header == name).then_some(value.as_str()))
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// A text field of the body.
    pub fn field(&self, name: &str) -> String {
        text(&self.json(), name)
    }

    /// The code of an error, whose body has exactly the contract's three fields.
    pub fn error_code(&self) -> String {
        let Value::Object(fields) = self.json() else {
            panic!("no object: {self:?}");
        };
        let mut names: Vec<_> = fields.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["error_code", "message", "status"], "{self:?}");
        assert_eq!(fields["status"], "error", "{self:?}");
        assert!(fields["message"].is_string(), "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/json"),
            "{self:?}"
        );
        self.field("error_code")
    }

    /// Fails with the whole reply if it has another status.
    #[track_caller]
    pub fn assert_status(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
    }
}

/// A text field.
pub fn text(document: &Value, name: &str) -> String {
    let field = document.get(name).and_then(Value::as_str);
    field
        .unwrap_or_else(|| panic!("no text `{name}` in {document}"))
        .to_owned()
}

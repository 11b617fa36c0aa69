//! What a host has to know about its project.

use twin_documents::Settings;

/// A project, and how it is used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GcpSettings {
    /// The id of the project that has the database and the topics.
    pub project: String,
    /// The Firestore database, in Native mode. `(default)` unless it says otherwise.
    pub database: String,
    /// The Pub/Sub topic for system errors. `{twin}-errors` unless it says otherwise.
    pub error_topic: Option<String>,
    /// The Pub/Sub topic that gets a copy of each new dead letter, and the subscription that keeps the copies.
    /// `{twin}-dead-letters` unless it says otherwise.
    pub dead_letter_topic: Option<String>,
    /// How long data is kept, and how a device is spread. Firestore removes what has expired within 24 hours. Its partitions have
    /// no limit of their own, so one is right but for a device that writes 500 times a second.
    pub kept: Settings,
    /// Who the host is.
    pub identity: Identity,
    /// Where the services are.
    pub endpoints: Endpoints,
}

/// Who the host is to Google's services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// The application default credentials: the file in `GOOGLE_APPLICATION_CREDENTIALS` (a service account's key, or workload
    /// identity federation), else those of `gcloud auth application-default login`, else the metadata server's.
    #[default]
    Default,
    /// Nobody: no credentials are looked for or sent. For emulators, the only endpoints that answer to it, and the only way to
    /// use one over plain HTTP.
    Anonymous,
}

/// The base URLs of the services. Another one is for a private or regional endpoint, or an emulator.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Firestore, its data and its administration.
    pub firestore: String,
    /// Pub/Sub.
    pub pubsub: String,
    /// Secret Manager.
    pub secret_manager: String,
}

impl Default for Endpoints {
    /// Google's public endpoints.
    fn default() -> Self {
        Self {
            firestore: "https://firestore.googleapis.com".to_owned(),
            pubsub: "https://pubsub.googleapis.com".to_owned(),
            secret_manager: "https://secretmanager.googleapis.com".to_owned(),
        }
    }
}

impl Endpoints {
    /// Whether none of them has TLS.
    pub(crate) fn are_plain(&self) -> bool {
        let all = [&self.firestore, &self.pubsub, &self.secret_manager];
        all.iter().all(|endpoint| endpoint.starts_with("http://"))
    }
}

impl GcpSettings {
    /// The defaults, for a project.
    #[must_use]
    pub fn new(project: impl Into<String>) -> Self {
        Self {
            project: project.into(),
            database: "(default)".to_owned(),
            error_topic: None,
            dead_letter_topic: None,
            kept: Settings::default(),
            identity: Identity::Default,
            endpoints: Endpoints::default(),
        }
    }
}

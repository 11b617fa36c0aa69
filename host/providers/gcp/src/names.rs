//! The full names of what a twin has in its project.

use crate::{GcpError, GcpSettings};

/// The names, all of which can be part of a URL's path as they are.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// `projects/{project}/databases/{database}`
    pub(crate) database: String,
    /// `projects/{project}/topics/{topic}`
    pub(crate) error_topic: String,
    /// `projects/{project}/topics/{topic}`
    pub(crate) dead_letter_topic: String,
    /// `projects/{project}/subscriptions/{topic}`
    pub(crate) dead_letter_subscription: String,
}

impl Names {
    /// # Errors
    /// If one of them is not possible.
    pub(crate) fn of(settings: &GcpSettings, twin: &str) -> Result<Self, GcpError> {
        let GcpSettings {
            project, database, ..
        } = settings;
        check("project", project, "a project's id", is_project(project))?;
        let valid = database == "(default)" || is_plain(database);
        check("database", database, "a database's id", valid)?;
        let topic = |setting, set: &Option<String>, suffix| {
            let topic = set.clone().unwrap_or_else(|| format!("{twin}-{suffix}"));
            let expected =
                "3 to 255 letters, digits and `-_.~`, beginning with a letter, not with `goog`";
            check(setting, &topic, expected, is_topic(&topic))?;
            Ok::<_, GcpError>(topic)
        };
        let errors = topic("error_topic", &settings.error_topic, "errors")?;
        let letters = topic(
            "dead_letter_topic",
            &settings.dead_letter_topic,
            "dead-letters",
        )?;
        Ok(Self {
            database: format!("projects/{project}/databases/{database}"),
            error_topic: format!("projects/{project}/topics/{errors}"),
            dead_letter_topic: format!("projects/{project}/topics/{letters}"),
            dead_letter_subscription: format!("projects/{project}/subscriptions/{letters}"),
        })
    }
}

/// Whether this is the full name of a subscription.
///
/// # Errors
/// If it is not.
pub(crate) fn check_subscription(name: &str) -> Result<(), GcpError> {
    let parts = name.split('/').collect::<Vec<_>>();
    let valid = matches!(parts.as_slice(), ["projects", project, "subscriptions", subscription]
        if is_project(project) && is_topic(subscription));
    let expected = "projects/PROJECT/subscriptions/SUBSCRIPTION";
    check("subscription", name, expected, valid)
}

fn check(
    setting: &'static str,
    value: &str,
    expected: &'static str,
    valid: bool,
) -> Result<(), GcpError> {
    if valid {
        return Ok(());
    }
    Err(GcpError::SettingInvalid {
        setting,
        value: value.to_owned(),
        expected,
    })
}

/// A project's id or number. Old ids begin with a domain and a colon.
fn is_project(text: &str) -> bool {
    text.split(':').all(is_plain)
}

fn is_topic(text: &str) -> bool {
    (3..=255).contains(&text.len())
        && is_plain(text)
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && !text.starts_with("goog")
}

/// Whether a name means itself in a URL's path.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    !text.is_empty() && text.bytes().all(plain) && !text.bytes().all(|byte| byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_project_and_twin() {
        let names = Names::of(&GcpSettings::new("example.com:my-project"), "factory-01").unwrap();
        let project = "projects/example.com:my-project";
        assert_eq!(names.database, format!("{project}/databases/(default)"));
        assert_eq!(
            names.error_topic,
            format!("{project}/topics/factory-01-errors")
        );
        assert_eq!(
            names.dead_letter_topic,
            format!("{project}/topics/factory-01-dead-letters")
        );
        let mut settings = GcpSettings::new("p");
        settings.database = "twins".to_owned();
        settings.dead_letter_topic = Some("lost".to_owned());
        let names = Names::of(&settings, "factory-01").unwrap();
        assert_eq!(names.database, "projects/p/databases/twins");
        assert_eq!(
            names.dead_letter_subscription,
            "projects/p/subscriptions/lost"
        );
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        let invalid = |settings: &GcpSettings, twin| match Names::of(settings, twin) {
            Err(GcpError::SettingInvalid { setting, .. }) => setting,
            other => panic!("{other:?}"),
        };
        for project in ["", "a/b", "..", "a?b", "a:"] {
            assert_eq!(invalid(&GcpSettings::new(project), "t"), "project");
        }
        let mut settings = GcpSettings::new("p");
        assert_eq!(invalid(&settings, "1st"), "error_topic");
        assert_eq!(invalid(&settings, "google"), "error_topic");
        settings.error_topic = Some("errors".to_owned());
        assert_eq!(invalid(&settings, "1st"), "dead_letter_topic");
        settings.database = "a/../b".to_owned();
        assert_eq!(invalid(&settings, "t"), "database");
    }
}

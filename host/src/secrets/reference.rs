//! References to secrets: where a secret is kept, in place of the secret itself.

use std::{fmt, path::PathBuf};

use url::Url;

/// Where a secret is kept. A variable for a key takes these forms as well.
///
/// ```
/// use twin_host::secrets::Reference;
///
/// let mounted = Reference::parse("file:/run/secrets/inter-cloud-token");
/// assert!(matches!(mounted, Some(Reference::File(_))));
/// assert_eq!(Reference::parse("a-key"), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reference {
    /// `file:/run/secrets/NAME`: a file, such as Kubernetes and systemd mount them.
    File(PathBuf),
    /// `arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME`: AWS Secrets Manager.
    SecretsManager(String),
    /// `https://VAULT.vault.azure.net/secrets/NAME[/VERSION]`: Azure Key Vault.
    KeyVault(Url),
    /// `projects/PROJECT/secrets/NAME/versions/VERSION`: GCP Secret Manager.
    SecretManager(String),
}

/// The forms, as a message or the help names them.
pub(crate) const FORMS: &str = "file:/PATH, arn:aws:secretsmanager:…, https://VAULT.vault.azure.net/secrets/NAME or \
                                projects/PROJECT/secrets/NAME/versions/VERSION";

/// The endings of Key Vault's host names: of the public cloud, of China's and of the US government's.
const KEY_VAULTS: [&str; 3] = [
    ".vault.azure.net",
    ".vault.azure.cn",
    ".vault.usgovcloudapi.net",
];

impl Reference {
    /// Reads a reference. `None` if the text is not one: then it is the secret itself.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("file:") {
            return path.starts_with('/').then(|| Self::File(path.into()));
        }
        if text.starts_with("arn:aws") {
            return is_secrets_manager(text).then(|| Self::SecretsManager(text.to_owned()));
        }
        if text.starts_with("projects/") {
            return is_secret_manager(text).then(|| Self::SecretManager(text.to_owned()));
        }
        if !text.starts_with("https://") {
            return None;
        }
        let url = Url::parse(text).ok()?;
        is_key_vault(&url).then_some(Self::KeyVault(url))
    }

    /// Whether a text begins like a reference, which a key should not.
    #[must_use]
    pub fn is_begun(text: &str) -> bool {
        const BEGINNINGS: [&str; 6] = [
            "file:",
            "arn:",
            "projects/",
            "https://",
            "http://",
            "@microsoft.keyvault(",
        ];
        let text = text.to_ascii_lowercase();
        BEGINNINGS
            .iter()
            .any(|beginning| text.starts_with(beginning))
    }

    /// The cloud whose service keeps it, which is the name of the cargo feature that reads it; `None` for a file.
    #[must_use]
    pub const fn cloud(&self) -> Option<&'static str> {
        match self {
            Self::File(_) => None,
            Self::SecretsManager(_) => Some("aws"),
            Self::KeyVault(_) => Some("azure"),
            Self::SecretManager(_) => Some("gcp"),
        }
    }
}

/// `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME`
fn is_secrets_manager(text: &str) -> bool {
    let parts: Vec<_> = text.split(':').collect();
    matches!(
        parts[..],
        ["arn", partition, "secretsmanager", region, account, "secret", name]
            if partition.starts_with("aws") && [region, account, name].iter().all(|part| !part.is_empty())
    )
}

fn is_secret_manager(text: &str) -> bool {
    let parts: Vec<_> = text.split('/').collect();
    matches!(
        parts[..],
        ["projects", project, "secrets", name, "versions", version]
            if [project, name, version].iter().all(|part| !part.is_empty())
    )
}

fn is_key_vault(url: &Url) -> bool {
    let of_a_vault = |host: &str| {
        KEY_VAULTS
            .iter()
            .any(|ending| host.len() > ending.len() && host.ends_with(ending))
    };
    let path: Vec<_> = url.path().split('/').collect();
    let named =
        matches!(path[..], ["", "secrets", name] | ["", "secrets", name, _] if !name.is_empty());
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.port().is_none();
    url.scheme() == "https" && bare && url.host_str().is_some_and(of_a_vault) && named
}

impl fmt::Display for Reference {
    /// As it is written. It names a secret and is none itself.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "file:{}", path.display()),
            Self::SecretsManager(name) | Self::SecretManager(name) => formatter.write_str(name),
            Self::KeyVault(url) => formatter.write_str(url.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_known_and_shown_as_it_was_written() {
        for (text, cloud) in [
            ("file:/run/secrets/token", None),
            (
                "arn:aws:secretsmanager:eu-central-1:123456789012:secret:factory/token-AbCdEf",
                Some("aws"),
            ),
            (
                "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:token",
                Some("aws"),
            ),
            (
                "https://factory.vault.azure.net/secrets/token",
                Some("azure"),
            ),
            (
                "https://factory.vault.azure.net/secrets/token/0123456789abcdef",
                Some("azure"),
            ),
            (
                "projects/factory/secrets/token/versions/latest",
                Some("gcp"),
            ),
        ] {
            let reference = Reference::parse(text).unwrap();
            assert_eq!(
                (reference.cloud(), reference.to_string()),
                (cloud, text.to_owned())
            );
        }
    }

    #[test]
    fn what_only_resembles_a_reference_is_a_key() {
        for text in [
            "",
            "key",
            "file:run/secrets/token",
            "arn:aws:s3:::bucket",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:",
            "arn:aws:secretsmanager:eu-central-1::secret:token",
            "http://factory.vault.azure.net/secrets/token",
            "https://factory.vault.azure.net:444/secrets/token",
            "https://.vault.azure.net/secrets/token",
            "https://vault.azure.net/secrets/token",
            "https://factory.vault.azure.net.example/secrets/token",
            "https://factory.vault.azure.net/keys/token",
            "https://user:password@factory.vault.azure.net/secrets/token",
            "https://factory.vault.azure.net/secrets/token?api-version=7.4",
            "https://factory.vault.azure.net/secrets/token#part",
            "https://factory.vault.azure.net/secrets/",
            "projects/factory/secrets/token",
            "projects//secrets/token/versions/latest",
        ] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
    }
}

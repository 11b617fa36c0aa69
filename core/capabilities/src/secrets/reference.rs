//! References to secrets: where a secret is kept, in place of the secret itself.

use std::{fmt, path::PathBuf, str::FromStr};

/// The forms of references, as a message or the help names them.
pub const FORMS: &str = "file:/PATH, arn:aws:secretsmanager:…, https://VAULT.vault.azure.net/secrets/NAME or \
                         projects/PROJECT/secrets/NAME/versions/VERSION";

/// Where a secret is kept. A variable for a key takes these forms as well.
///
/// ```
/// use twin_capabilities::secrets::{Reference, ReferenceError};
///
/// let mounted = Reference::parse("file:/run/secrets/inter-cloud-token");
/// assert!(matches!(mounted, Ok(Some(Reference::File(_)))));
/// assert_eq!(Reference::parse("a-key"), Ok(None));
/// assert_eq!(Reference::parse("file:token"), Err(ReferenceError::File));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// `file:/run/secrets/NAME`: a file, such as Kubernetes and systemd mount them.
    File(PathBuf),
    /// In AWS Secrets Manager.
    SecretsManager(SecretsManagerArn),
    /// In Azure Key Vault.
    KeyVault(KeyVaultSecret),
    /// In GCP Secret Manager.
    SecretManager(SecretManagerVersion),
}

/// A text that begins like a reference, and is not one. It is not repeated here: it may be the secret itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// `file:`
    #[error("it begins like a reference to a file, which is file:/PATH with an absolute path")]
    File,
    /// `arn:`
    #[error(
        "it begins like a reference to AWS Secrets Manager, which is the whole ARN of a secret, \
         arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME"
    )]
    SecretsManager,
    /// `https://`, or how Azure's own settings refer to a vault.
    #[error(
        "it begins like a reference to Azure Key Vault, which is https://VAULT.vault.azure.net/secrets/NAME, or that with \
         /VERSION, and nothing else"
    )]
    KeyVault,
    /// `projects/`
    #[error(
        "it begins like a reference to GCP Secret Manager, which is projects/PROJECT/secrets/NAME/versions/VERSION, with a number, \
         an alias or latest as VERSION"
    )]
    SecretManager,
}

/// How references begin. A key should not begin so.
const BEGINNINGS: [(&str, ReferenceError); 6] = [
    ("file:", ReferenceError::File),
    ("arn:", ReferenceError::SecretsManager),
    ("projects/", ReferenceError::SecretManager),
    ("https://", ReferenceError::KeyVault),
    ("http://", ReferenceError::KeyVault),
    ("@microsoft.keyvault(", ReferenceError::KeyVault),
];

impl Reference {
    /// Reads a reference; `None` if the text does not begin like one: then it is the secret itself.
    ///
    /// # Errors
    /// If it begins like one and is not: a misspelt reference must not be sent as a key.
    pub fn parse(text: &str) -> Result<Option<Self>, ReferenceError> {
        let lower = text.to_ascii_lowercase();
        let begun = BEGINNINGS
            .into_iter()
            .find(|(beginning, _)| lower.starts_with(beginning));
        let Some((_, form)) = begun else {
            return Ok(None);
        };
        let read = match form {
            ReferenceError::File => file(text).map(Self::File),
            ReferenceError::SecretsManager => text.parse().map(Self::SecretsManager),
            ReferenceError::KeyVault => text.parse().map(Self::KeyVault),
            ReferenceError::SecretManager => text.parse().map(Self::SecretManager),
        };
        read.map(Some)
    }

    /// The cloud whose service keeps it: `aws`, `azure` or `gcp`; `None` for a file.
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

impl fmt::Display for Reference {
    /// The reference, which names a secret and is none itself.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "file:{}", path.display()),
            Self::SecretsManager(secret) => secret.fmt(formatter),
            Self::KeyVault(secret) => secret.fmt(formatter),
            Self::SecretManager(secret) => secret.fmt(formatter),
        }
    }
}

fn file(text: &str) -> Result<PathBuf, ReferenceError> {
    text.strip_prefix("file:")
        .filter(|path| path.starts_with('/'))
        .map(PathBuf::from)
        .ok_or(ReferenceError::File)
}

/// A secret in AWS Secrets Manager, by its ARN: `arn:aws:secretsmanager:eu-central-1:123456789012:secret:twin/key-a1B2c3`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretsManagerArn {
    arn: String,
    region: String,
}

impl SecretsManagerArn {
    /// The ARN.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The region that it names.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }
}

impl FromStr for SecretsManagerArn {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<_> = text.split(':').collect();
        let [
            "arn",
            partition,
            "secretsmanager",
            region,
            account,
            "secret",
            name,
        ] = parts[..]
        else {
            return Err(ReferenceError::SecretsManager);
        };
        let is_lower =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_named = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
        let is_arn = partition.starts_with("aws")
            && is_word(partition, usize::MAX, is_lower)
            // It becomes a part of a host's name.
            && is_word(region, 63, is_lower)
            && account.len() == 12
            && is_word(account, 12, |byte| byte.is_ascii_digit())
            && is_word(name, usize::MAX, is_named);
        let secret = || Self {
            arn: text.to_owned(),
            region: region.to_owned(),
        };
        is_arn.then(secret).ok_or(ReferenceError::SecretsManager)
    }
}

impl fmt::Display for SecretsManagerArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.arn)
    }
}

/// A secret in Azure Key Vault: `https://{vault}.vault.azure.net/secrets/{name}`, or with `/{version}` behind it. Without a version it
/// is the newest. The vault's name is one of Azure's: a token of the host's would go to whoever owns another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyVaultSecret {
    vault: String,
    cloud: VaultCloud,
    name: String,
    version: Option<String>,
}

/// A cloud of Azure that has vaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VaultCloud {
    /// The public one.
    Public,
    /// China's.
    China,
    /// That of the US government.
    UsGovernment,
}

impl VaultCloud {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Public, Self::China, Self::UsGovernment];

    /// The domain of its vaults.
    #[must_use]
    pub const fn domain(self) -> &'static str {
        match self {
            Self::Public => "vault.azure.net",
            Self::China => "vault.azure.cn",
            Self::UsGovernment => "vault.usgovcloudapi.net",
        }
    }
}

impl KeyVaultSecret {
    /// The host name of the vault.
    #[must_use]
    pub fn host(&self) -> String {
        format!("{}.{}", self.vault, self.cloud.domain())
    }

    /// The cloud that the vault is in.
    #[must_use]
    pub const fn cloud(&self) -> VaultCloud {
        self.cloud
    }

    /// The secret's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The secret's version.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    fn read(text: &str) -> Option<Self> {
        let (host, path) = text.strip_prefix("https://")?.split_once('/')?;
        let host = host.to_ascii_lowercase();
        // The port that HTTPS has anyway.
        let host = host.strip_suffix(":443").unwrap_or(&host);
        let (vault, domain) = host.split_once('.')?;
        let is_in = |cloud: &VaultCloud| cloud.domain() == domain;
        let cloud = VaultCloud::ALL.into_iter().find(is_in)?;
        let mut path = path.split('/');
        let is_secret = path.next() == Some("secrets");
        let name = path.next()?;
        // A slash at the end is no version.
        let version = path.next().filter(|version| !version.is_empty());
        let is_part = |text: &str, longest| {
            is_word(text, longest, |byte| {
                byte.is_ascii_alphanumeric() || byte == b'-'
            })
        };
        let is_whole = is_secret
            && is_part(vault, 24)
            && is_part(name, 127)
            && version.is_none_or(|version| is_part(version, 127))
            && path.next().is_none();
        is_whole.then(|| Self {
            vault: vault.to_owned(),
            cloud,
            name: name.to_owned(),
            version: version.map(str::to_owned),
        })
    }
}

impl FromStr for KeyVaultSecret {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::read(text).ok_or(ReferenceError::KeyVault)
    }
}

impl fmt::Display for KeyVaultSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "https://{}/secrets/{}", self.host(), self.name)?;
        match &self.version {
            Some(version) => write!(formatter, "/{version}"),
            None => Ok(()),
        }
    }
}

/// A version of a secret in GCP Secret Manager: `projects/{project}/secrets/{secret}/versions/{version}`. The version is a number, an
/// alias, or `latest`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretManagerVersion(String);

impl SecretManagerVersion {
    /// Its full name, which can be part of a URL's path as it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretManagerVersion {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<_> = text.split('/').collect();
        let is_name = |text: &str| {
            is_word(text, 255, |byte| {
                byte.is_ascii_alphanumeric() || b"_-".contains(&byte)
            })
        };
        let is_reference = matches!(
            parts[..],
            ["projects", project, "secrets", name, "versions", version]
                if is_project(project) && is_name(name) && is_name(version)
        );
        let version = || Self(text.to_owned());
        is_reference
            .then(version)
            .ok_or(ReferenceError::SecretManager)
    }
}

impl fmt::Display for SecretManagerVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A project's id or number. Old ids begin with a domain and a colon.
fn is_project(text: &str) -> bool {
    text.split(':').all(|part| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        is_word(part, usize::MAX, is_plain) && !part.bytes().all(|byte| byte == b'.')
    })
}

/// Whether a text has 1 to `longest` characters, all of which are permitted.
fn is_word(text: &str, longest: usize, is_permitted: impl Fn(u8) -> bool) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(is_permitted)
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
                "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:a_+=.@-",
                Some("aws"),
            ),
            ("https://v.vault.azure.net/secrets/a-1", Some("azure")),
            ("https://v.vault.azure.net/secrets/a/0f", Some("azure")),
            ("https://v.vault.azure.cn/secrets/a", Some("azure")),
            ("https://v.vault.usgovcloudapi.net/secrets/a", Some("azure")),
            (
                "projects/my-project/secrets/key/versions/latest",
                Some("gcp"),
            ),
            ("projects/123456/secrets/Peer_Key-1/versions/7", Some("gcp")),
            (
                "projects/example.com:p/secrets/k/versions/current",
                Some("gcp"),
            ),
        ] {
            let reference = Reference::parse(text).unwrap().unwrap();
            let shown = (reference.cloud(), reference.to_string());
            assert_eq!(shown, (cloud, text.to_owned()));
        }
    }

    #[test]
    fn parts_are_read() {
        let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:key";
        let secret: SecretsManagerArn = arn.parse().unwrap();
        assert_eq!((secret.arn(), secret.region()), (arn, "eu-central-1"));
        for (text, version) in [
            ("https://Factory.vault.azure.cn:443/secrets/Key/", None),
            ("https://factory.vault.azure.cn/secrets/Key/0f", Some("0f")),
        ] {
            let secret: KeyVaultSecret = text.parse().unwrap();
            assert_eq!(secret.host(), "factory.vault.azure.cn");
            assert_eq!(secret.cloud(), VaultCloud::China);
            assert_eq!((secret.name(), secret.version()), ("Key", version));
        }
    }

    #[test]
    fn what_only_begins_like_a_reference_is_refused_by_its_form() {
        use ReferenceError::{File, KeyVault, SecretManager, SecretsManager};
        for (form, texts) in [
            (File, &["file:", "file:run/secrets/token", "FILE:/a"][..]),
            (
                SecretsManager,
                &[
                    "arn:",
                    "arn:aws:s3:::bucket",
                    "arn:aws:ssm:eu-central-1:123456789012:parameter:a",
                    "arn:aws:secretsmanager::123456789012:secret:a",
                    "arn:aws:secretsmanager:eu-central-1:12345678901:secret:a",
                    "arn:aws:secretsmanager:eu-central-1:12345678901x:secret:a",
                    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:",
                    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:a b",
                    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:a:json-key",
                    "arn:azure:secretsmanager:eu-central-1:123456789012:secret:a",
                    "arn:aws:secretsmanager:evil.example/#:123456789012:secret:a",
                    "ARN:aws:secretsmanager:eu-central-1:123456789012:secret:a",
                ],
            ),
            (
                KeyVault,
                &[
                    "http://v.vault.azure.net/secrets/a",
                    "https://v.vault.azure.net.example.com/secrets/a",
                    "https://example.com/.vault.azure.net/secrets/a",
                    "https://example.com#.vault.azure.net/secrets/a",
                    "https://a@v.vault.azure.net/secrets/a",
                    "https://user:password@v.vault.azure.net/secrets/a",
                    "https://v.vault.azure.net:444/secrets/a",
                    "https://vault.azure.net/secrets/a",
                    "https://.vault.azure.net/secrets/a",
                    "https://a.b.vault.azure.net/secrets/a",
                    "https://v.vault.azure.net/keys/a",
                    "https://v.vault.azure.net/secrets/",
                    "https://v.vault.azure.net/secrets/a/b/c",
                    "https://v.vault.azure.net/secrets/a%2Fb",
                    "https://v.vault.azure.net/secrets/a?x=1",
                    "https://v.vault.azure.net/secrets/a#part",
                    "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/a)",
                ],
            ),
            (
                SecretManager,
                &[
                    "projects/p/secrets/k",
                    "projects/p/secrets/k/versions/",
                    "projects/p/secrets/k/versions/1/more",
                    "projects/p/secrets/k/versions/1:access?x=",
                    "projects//secrets/k/versions/1",
                    "projects/../secrets/k/versions/1",
                    "projects/p/locations/europe-west1/secrets/k/versions/1",
                ],
            ),
        ] {
            for text in texts {
                assert_eq!(Reference::parse(text), Err(form), "{text:?}");
            }
        }
    }

    #[test]
    fn everything_else_is_a_key() {
        for text in ["", "key", "files", "a/file:/b", "Bearer arn:aws"] {
            assert_eq!(Reference::parse(text), Ok(None), "{text:?}");
        }
    }
}

//! The address of a database, and the protection of connections to it.

use std::{fmt, path::PathBuf, time::Duration};

use percent_encoding::percent_decode_str;
use tokio_postgres::{
    Config,
    config::{Host, SslMode, TargetSessionAttrs},
};

use crate::PostgresError;

/// How long one host of the URL may take to accept a connection, unless the URL says otherwise (`connect_timeout`). It is
/// short, so the next host is tried while the caller still waits.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long sent data may remain unacknowledged before a connection counts as lost, unless the URL says otherwise.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    /// `disable`: no protection.
    Plain,
    /// `prefer`: TLS with any certificate, if the server offers it.
    Opportunistic,
    /// `require`, `verify-ca`, `verify-full`: TLS with a certificate for the host's name from a trusted authority.
    Verified,
}

/// The URL of a database: `postgres://ROLE:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?…`. The password is never shown.
///
/// If there are several hosts, the first that can write is used. The default for `sslmode` is `require`, or `prefer` if all
/// hosts are this machine.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    pub(crate) config: Config,
    pub(crate) protection: Protection,
    /// `sslrootcert`.
    pub(crate) ca_file: Option<PathBuf>,
}

impl PostgresUrl {
    /// Parses a URL.
    ///
    /// # Errors
    /// What is wrong with the URL, without the URL itself.
    pub fn parse(url: &str) -> Result<Self, PostgresError> {
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            return Err(invalid("it must begin with postgres:// or postgresql://"));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut protection = None;
        let mut ca_file = None;
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", mode)) => protection = Some(read_mode(mode)?),
                Some(("sslrootcert", "system")) => {}
                Some(("sslrootcert", file)) => {
                    let file = percent_decode_str(file).decode_utf8();
                    let file = file.map_err(|_| invalid("sslrootcert is not UTF-8"))?;
                    ca_file = Some(PathBuf::from(file.as_ref()));
                }
                _ => rest.push(pair),
            }
        }
        let mut config: Config = format!("{base}?{}", rest.join("&"))
            .parse()
            .map_err(|error: tokio_postgres::Error| invalid(&reason(&error)))?;
        let protection = protection.unwrap_or_else(|| default_protection(&config));
        adjust(&mut config, protection)?;
        Ok(Self {
            config,
            protection,
            ca_file,
        })
    }
}

impl PostgresUrl {
    /// A configuration for each host, so each has its own time limit.
    pub(crate) fn each_host(&self) -> Vec<Config> {
        let all = &self.config;
        let ports = all.get_ports();
        let host = |index, host: &Host| {
            let mut one = Config::new();
            match host {
                Host::Tcp(name) => one.host(name.clone()),
                #[cfg(unix)]
                Host::Unix(path) => one.host_path(path),
            };
            if let Some(port) = ports.get(index).or(ports.first()) {
                one.port(*port);
            }
            if let Some(address) = all.get_hostaddrs().get(index) {
                one.hostaddr(*address);
            }
            self.copy_session(&mut one);
            one
        };
        let hosts = all.get_hosts().iter().enumerate();
        hosts.map(|(index, name)| host(index, name)).collect()
    }

    /// Copies everything except the hosts.
    fn copy_session(&self, one: &mut Config) {
        let all = &self.config;
        if let Some(role) = all.get_user() {
            one.user(role);
        }
        if let Some(password) = all.get_password() {
            one.password(password);
        }
        if let Some(database) = all.get_dbname() {
            one.dbname(database);
        }
        if let Some(options) = all.get_options() {
            one.options(options);
        }
        if let Some(name) = all.get_application_name() {
            one.application_name(name);
        }
        if let Some(limit) = all.get_connect_timeout() {
            one.connect_timeout(*limit);
        }
        if let Some(limit) = all.get_tcp_user_timeout() {
            one.tcp_user_timeout(*limit);
        }
        if let Some(interval) = all.get_keepalives_interval() {
            one.keepalives_interval(interval);
        }
        if let Some(retries) = all.get_keepalives_retries() {
            one.keepalives_retries(retries);
        }
        one.ssl_mode(all.get_ssl_mode())
            .ssl_negotiation(all.get_ssl_negotiation())
            .channel_binding(all.get_channel_binding())
            .keepalives(all.get_keepalives())
            .keepalives_idle(all.get_keepalives_idle())
            .target_session_attrs(all.get_target_session_attrs());
    }
}

/// Adds to a configuration what every connection of this crate needs.
fn adjust(config: &mut Config, protection: Protection) -> Result<(), PostgresError> {
    if config.get_hosts().is_empty() {
        return Err(invalid("it names no host"));
    }
    if config.get_dbname().is_none_or(str::is_empty) {
        return Err(invalid("it names no database"));
    }
    if config.get_target_session_attrs() == TargetSessionAttrs::ReadOnly {
        return Err(invalid(
            "target_session_attrs must be read-write: a twin's store is written",
        ));
    }
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    config.ssl_mode(match protection {
        Protection::Plain => SslMode::Disable,
        Protection::Opportunistic => SslMode::Prefer,
        Protection::Verified => SslMode::Require,
    });
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(TCP_USER_TIMEOUT);
    }
    if config.get_application_name().is_none() {
        config.application_name("twin");
    }
    Ok(())
}

fn read_mode(mode: &str) -> Result<Protection, PostgresError> {
    match mode {
        "disable" => Ok(Protection::Plain),
        "prefer" => Ok(Protection::Opportunistic),
        "require" | "verify-ca" | "verify-full" => Ok(Protection::Verified),
        _ => Err(invalid("sslmode must be disable, prefer or require")),
    }
}

fn default_protection(config: &Config) -> Protection {
    let is_here = |host: &Host| match host {
        Host::Tcp(name) if name == "localhost" => true,
        Host::Tcp(name) => name
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    if config.get_hosts().iter().all(is_here) {
        Protection::Opportunistic
    } else {
        Protection::Verified
    }
}

/// What is wrong, by the name of the part but without its value.
fn reason(error: &tokio_postgres::Error) -> String {
    use std::error::Error;
    error
        .source()
        .map(ToString::to_string)
        .filter(|words| words.starts_with("unknown option") || words.starts_with("invalid value"))
        .unwrap_or_else(|| {
            "it has not the form postgres://ROLE:PASSWORD@HOST:PORT/DATABASE".to_owned()
        })
}

fn invalid(why: &str) -> PostgresError {
    PostgresError::UrlInvalid(why.to_owned())
}

impl std::str::FromStr for PostgresUrl {
    type Err = PostgresError;

    fn from_str(url: &str) -> Result<Self, PostgresError> {
        Self::parse(url)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PostgresUrl")
            .field("hosts", &self.config.get_hosts())
            .field("ports", &self.config.get_ports())
            .field("role", &self.config.get_user())
            .field("database", &self.config.get_dbname())
            .field("protection", &self.protection)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PostgresSettings;

    #[test]
    fn the_password_is_never_shown() {
        let secret = "s3cr3t";
        let good = format!("postgres://twin:{secret}@db1:5432,db2:5433/factory?sslmode=require");
        let settings = PostgresSettings::new(PostgresUrl::parse(&good).unwrap());
        assert!(!format!("{settings:?}").contains(secret));
        for bad in [
            format!("postgres://twin:{secret}@db1:port/factory"),
            format!("postgres://twin:{secret}@db1/factory?sslmode=sometimes"),
            format!("postgres://twin:{secret}@db1/factory?nonsense={secret}"),
            format!("postgres://twin:{secret}@db1/factory?target_session_attrs=read-only"),
            format!("postgres://twin:{secret}@db1/"),
            format!("postgres://twin:{secret}"),
            format!("mysql://twin:{secret}@db1/factory"),
        ] {
            let error = PostgresUrl::parse(&bad).expect_err(&bad);
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn tls_is_verified_unless_the_url_says_otherwise_or_the_host_is_this_machine() {
        for (url, expected) in [
            ("postgres://twin@db/factory", Protection::Verified),
            ("postgres://twin@10.0.0.7/factory", Protection::Verified),
            ("postgres://twin@127.0.0.1,db/factory", Protection::Verified),
            (
                "postgres://twin@127.0.0.1,localhost/factory",
                Protection::Opportunistic,
            ),
            (
                "postgres://twin@%2Frun%2Fpostgresql/factory",
                Protection::Opportunistic,
            ),
            (
                "postgres://twin@db/factory?sslmode=disable",
                Protection::Plain,
            ),
            (
                "postgres://twin@db/factory?sslmode=prefer",
                Protection::Opportunistic,
            ),
            (
                "postgres://twin@localhost/factory?sslmode=require",
                Protection::Verified,
            ),
            (
                "postgres://twin@db/factory?sslmode=verify-full&connect_timeout=3",
                Protection::Verified,
            ),
        ] {
            assert_eq!(
                PostgresUrl::parse(url).unwrap().protection,
                expected,
                "{url}"
            );
        }
    }

    #[test]
    fn of_several_hosts_the_one_that_writes_is_wanted() {
        let url =
            PostgresUrl::parse("postgresql://twin@a:1,b:2/factory?sslrootcert=%2Fca.pem").unwrap();
        assert_eq!(url.config.get_ports(), [1, 2]);
        assert_eq!(
            url.config.get_target_session_attrs(),
            TargetSessionAttrs::ReadWrite
        );
        assert_eq!(url.config.get_connect_timeout(), Some(&CONNECT_TIMEOUT));
        assert_eq!(url.ca_file.unwrap(), PathBuf::from("/ca.pem"));
    }
}

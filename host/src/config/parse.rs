//! Parsers for the values of variables, and the words that say what each accepts.

use std::{
    fmt::Display, net::IpAddr, ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration,
};

use tracing_subscriber::filter::Targets;
use twin_contract::{Cloud, is_key, is_twin_name, keys};
use twin_delivery::{TWIN_CLOUD, TWIN_NAME};
use url::Url;

use super::{Authentication, LogFormat};
use crate::{
    credentials::{IamCaller, OidcCaller},
    function::FunctionName,
    secrets::{Configured, FORMS, PrivateUrl},
    stores,
};

/// What a value must be; it completes the sentence "X must be …".
pub(crate) type Expected = String;

pub(crate) type Parsed<T> = Result<T, Expected>;

/// What a kind of variable accepts, taken from the message with which it refuses anything else.
pub(crate) fn accepted<T>(parse: fn(&str) -> Parsed<T>) -> Expected {
    // No parser accepts NUL, which an environment cannot contain.
    parse("\0").err().unwrap_or_default()
}

pub(crate) fn number<T>(text: &str, range: RangeInclusive<T>) -> Parsed<T>
where
    T: FromStr + PartialOrd + Display,
{
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("an integer from {} to {}", range.start(), range.end()))
}

pub(super) fn millis(text: &str, range: RangeInclusive<u64>) -> Parsed<Duration> {
    number(text, range).map(Duration::from_millis)
}

pub(super) fn seconds(text: &str, range: RangeInclusive<u64>) -> Parsed<Duration> {
    number(text, range).map(Duration::from_secs)
}

pub(super) fn days(text: &str, range: RangeInclusive<u64>) -> Parsed<Duration> {
    number(text, range).map(|days| Duration::from_secs(days * 86_400))
}

pub(crate) fn text(text: &str) -> Parsed<String> {
    let fits = !text.is_empty() && !text.contains(char::is_control);
    fits.then(|| text.to_owned())
        .ok_or_else(|| "a text".to_owned())
}

pub(crate) fn switch(text: &str) -> Parsed<bool> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("true, false, 1 or 0".into()),
    }
}

pub(super) fn path(text: &str) -> Parsed<PathBuf> {
    let fits = !text.contains('\0');
    fits.then(|| text.into()).ok_or_else(|| "a path".into())
}

pub(super) fn address(text: &str) -> Parsed<IpAddr> {
    text.parse().map_err(|_| "an IP address".into())
}

pub(super) fn name(text: &str) -> Parsed<String> {
    is_twin_name(text)
        .then(|| text.into())
        .ok_or_else(|| TWIN_NAME.values.into())
}

pub(super) fn authentication(text: &str) -> Parsed<Authentication> {
    let mut all = Authentication::ALL.into_iter();
    all.find(|auth| auth.as_str() == text)
        .ok_or_else(|| "key, sigv4 or oidc".into())
}

pub(super) fn cloud(text: &str) -> Parsed<Cloud> {
    text.parse().map_err(|_| TWIN_CLOUD.values.into())
}

pub(super) fn store(text: &str) -> Parsed<&'static dyn stores::Kind> {
    stores::kind(text).ok_or_else(stores::names)
}

pub(super) fn log_format(text: &str) -> Parsed<LogFormat> {
    match text {
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err("json or text".into()),
    }
}

pub(super) fn log_filter(text: &str) -> Parsed<Targets> {
    let expected = || "a filter such as `info` or `twin_host=debug,info`".to_owned();
    // Without this, an empty part would be a module whose lines are all written, and so would one of another form.
    let is_part = |part: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_:=.-".contains(&byte);
        !part.is_empty() && !part.starts_with('=') && part.bytes().all(plain)
    };
    let parts: Vec<_> = text.split(',').map(str::trim).collect();
    if !parts.iter().all(is_part) {
        return Err(expected());
    }
    parts.join(",").parse().map_err(|_| expected())
}

pub(super) fn functions(text: &str) -> Parsed<Vec<FunctionName>> {
    let mut functions = Vec::new();
    for name in text.split(',') {
        match name.trim().parse() {
            Ok(function) if !functions.contains(&function) => functions.push(function),
            _ => {
                let known = FunctionName::ALL.map(FunctionName::as_str).join(", ");
                return Err(format!(
                    "a comma-separated list, without repetitions, of {known}"
                ));
            }
        }
    }
    Ok(functions)
}

/// A key, or a reference to one.
pub(crate) fn secret(text: &str) -> Parsed<Configured> {
    configured(text).map_err(|why| {
        format!(
            "a key of visible ASCII characters without spaces, or a reference to one ({FORMS}){why}"
        )
    })
}

pub(super) fn secrets(text: &str) -> Parsed<Vec<Configured>> {
    keys(text)
        .map(configured)
        .collect::<Result<_, _>>()
        .map_err(|why| {
            format!(
                "a comma-separated list of keys, none of them empty, of visible ASCII characters, or of references to keys \
                 ({FORMS}){why}"
            )
        })
}

pub(super) fn iam_callers(text: &str) -> Parsed<Vec<IamCaller>> {
    let callers = text.split(',').map(|arn| IamCaller::parse(arn.trim()));
    callers.collect::<Option<_>>().ok_or_else(|| {
        "a comma-separated list of the ARNs of roles and users of IAM, such as arn:aws:iam::123456789012:role/connector".into()
    })
}

pub(super) fn oidc_callers(text: &str) -> Parsed<Vec<OidcCaller>> {
    OidcCaller::list(text).ok_or_else(|| {
        "a comma-separated list, without repetitions, of ISSUER|SUBJECT, where the issuer is an https URL (http for an \
         address of this machine only)"
            .into()
    })
}

/// A key goes into a header, so it must be able to. The error is what is wrong beyond that.
fn configured(text: &str) -> Result<Configured, String> {
    if !is_key(text) {
        return Err(String::new());
    }
    Configured::parse(text).map_err(|error| format!("; {error}"))
}

/// A URL to send to. A user name would conflict with the key, and a fragment is never sent.
pub(crate) fn url(text: &str) -> Parsed<PrivateUrl> {
    web(text)
        .filter(|url| {
            url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
        })
        .map(PrivateUrl::new)
        .ok_or_else(|| {
            "an absolute http or https URL without user name, password and fragment".into()
        })
}

/// A proxy's URL; a user name and password in it are for the proxy.
pub(super) fn proxy(text: &str) -> Parsed<PrivateUrl> {
    web(text)
        .map(PrivateUrl::new)
        .ok_or_else(|| "an absolute http or https URL".into())
}

fn web(text: &str) -> Option<Url> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// A prefix with a slash in front and none at the end, or empty: `api/` and `/api` are the same.
pub(super) fn route_prefix(text: &str) -> Parsed<String> {
    let path = text.trim_matches('/');
    let segments = path.split('/').all(|segment| {
        !segment.is_empty()
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._~-$".contains(&byte))
    });
    match path {
        "" => Ok(String::new()),
        _ if segments => Ok(format!("/{path}")),
        _ => Err("a path such as /api, of A-Z a-z 0-9 . _ ~ - $ and single slashes".into()),
    }
}

//! Callers that AWS has authenticated: behind a function URL or an API with IAM, the platform names the caller (spec §2).

use twin_capabilities::credentials::{Caller, Role};

/// A user or a role of IAM that may call, by its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IamCaller(String);

/// The parts of an ARN that count: partition, account, and what it names.
struct Named<'a> {
    partition: &'a str,
    account: &'a str,
    resource: Resource<'a>,
}

#[derive(PartialEq, Eq)]
enum Resource<'a> {
    /// A role has one name in its account, whatever its path is.
    Role(&'a str),
    User(&'a str),
}

impl IamCaller {
    /// The ARN of a role (`arn:aws:iam::123456789012:role/NAME`, with its path if it has one) or of a user; `None` if it is none.
    #[must_use]
    pub fn parse(arn: &str) -> Option<Self> {
        let is_listed = named(arn)?.is_in_iam;
        is_listed.then(|| Self(arn.to_owned()))
    }

    /// The caller that the platform names, if it is listed: named after its place in the list, and never an operator.
    #[must_use]
    pub fn among(listed: &[Self], user_arn: &str) -> Option<Caller> {
        let place = listed.iter().position(|caller| caller.is(user_arn))?;
        Some(Caller {
            name: format!("iam-{}", place + 1),
            role: Role::Hop,
        })
    }

    /// Whether the caller is this user, or a session of this role.
    fn is(&self, user_arn: &str) -> bool {
        let (Some(listed), Some(caller)) = (named(&self.0), named(user_arn)) else {
            return false;
        };
        let (listed, caller) = (listed.named, caller.named);
        (listed.partition, listed.account) == (caller.partition, caller.account)
            && listed.resource == caller.resource
    }
}

struct Parsed<'a> {
    named: Named<'a>,
    is_in_iam: bool,
}

fn named(arn: &str) -> Option<Parsed<'_>> {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let ["arn", partition, service, "", account, resource] = parts[..] else {
        return None;
    };
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_partition = partition == "aws" || partition.starts_with("aws-");
    let (kind, name) = resource.split_once('/')?;
    let resource = match (service, kind) {
        ("iam", "role") => Resource::Role(name.rsplit('/').next()?),
        ("iam", "user") => Resource::User(name),
        // The session's name is the caller's own choice.
        ("sts", "assumed-role") => Resource::Role(name.split_once('/')?.0),
        _ => return None,
    };
    let is_named = match resource {
        Resource::Role(name) | Resource::User(name) => !name.is_empty() && !name.contains('*'),
    };
    (is_account && is_partition && is_named).then_some(Parsed {
        named: Named {
            partition,
            account,
            resource,
        },
        is_in_iam: service == "iam",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/twin/connector";

    fn place(arn: &str) -> Option<String> {
        let listed = [ROLE, "arn:aws:iam::123456789012:user/ops"];
        let listed = listed.map(|arn| IamCaller::parse(arn).unwrap());
        IamCaller::among(&listed, arn).map(|caller| caller.name)
    }

    #[test]
    fn a_session_of_a_listed_role_is_the_role() {
        for (arn, expected) in [
            (
                "arn:aws:sts::123456789012:assumed-role/connector/a-session",
                Some("iam-1"),
            ),
            (ROLE, Some("iam-1")),
            ("arn:aws:iam::123456789012:user/ops", Some("iam-2")),
            (
                "arn:aws:sts::123456789012:assumed-role/other/connector",
                None,
            ),
            ("arn:aws:sts::123456789012:assumed-role/connector", None),
            ("arn:aws:sts::210987654321:assumed-role/connector/a", None),
            (
                "arn:aws-cn:sts::123456789012:assumed-role/connector/a",
                None,
            ),
            ("arn:aws:iam::123456789012:user/connector", None),
            ("arn:aws:sts::123456789012:federated-user/ops", None),
            ("connector", None),
            ("", None),
        ] {
            assert_eq!(place(arn).as_deref(), expected, "{arn}");
        }
    }

    #[test]
    fn only_users_and_roles_can_be_listed() {
        for arn in [
            "arn:aws:iam::123456789012:root",
            "arn:aws:iam::123456789012:role/*",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::1234:role/a",
            "arn:aws:sts::123456789012:assumed-role/a/b",
            "arn:azure:iam::123456789012:role/a",
            "role/a",
            "*",
        ] {
            assert_eq!(IamCaller::parse(arn), None, "{arn}");
        }
    }
}

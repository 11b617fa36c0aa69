//! Makes what a twin needs in its project, says what that would be, and checks that it is there.

mod part;
mod resource;

use std::fmt;

use twin_documents::{ServiceClock, ServiceError};

pub use part::Outcome;

use crate::{
    GcpError, GcpSettings, error::NOT_FOUND, firestore, names::Names, prepare::part::Part, pubsub,
    service::Link,
};

/// What [`init`] did with one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The thing.
    pub what: String,
    /// What was done.
    pub outcome: Outcome,
}

impl fmt::Display for Done {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.what, self.outcome)
    }
}

/// Something that [`check`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The thing that is not as it must be.
    pub what: String,
    /// In what way.
    pub trouble: Trouble,
}

/// In what way something is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is not there.
    Missing,
    /// It is being built, which takes Firestore minutes, or hours where there is much data.
    Building,
    /// It is there, and is something else or set otherwise.
    Different,
    /// It could not be looked at: [`Denied`](twin_documents::Kind::Denied) if the identity may not.
    Unknown(ServiceError),
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.what)?;
        match &self.trouble {
            Trouble::Missing => formatter.write_str("missing"),
            Trouble::Building => formatter.write_str("being built"),
            Trouble::Different => formatter.write_str("set otherwise"),
            Trouble::Unknown(error) => write!(formatter, "{error}"),
        }
    }
}

/// What [`init`] would make, one line for each thing. Asks nobody, and needs no credentials.
///
/// # Errors
/// If a setting cannot be used.
pub fn plan(settings: &GcpSettings, twin: &str) -> Result<Vec<String>, GcpError> {
    let parts = Part::all(&Names::of(settings, twin)?);
    Ok(parts.iter().map(ToString::to_string).collect())
}

/// Makes what is not there yet. It may be repeated, and run while hosts are working. Firestore goes on building indexes after it
/// returns: [`check`] tells when they can be used.
///
/// The database itself must be there: where it is, which cannot be changed later, is not for a program to choose.
///
/// # Errors
/// The first failure. What was made before it stays.
pub async fn init(settings: &GcpSettings, twin: &str) -> Result<Vec<Done>, GcpError> {
    let (project, parts) = project(settings, twin)?;
    let mut done = Vec::with_capacity(parts.len());
    for part in parts {
        let outcome = project.make(&part).await?;
        let what = part.to_string();
        done.push(Done { what, outcome });
    }
    Ok(done)
}

/// Looks at everything that [`init`] makes. What is returned is not as it must be.
///
/// # Errors
/// If a setting cannot be used, or there are no credentials.
pub async fn check(settings: &GcpSettings, twin: &str) -> Result<Vec<Finding>, GcpError> {
    let (project, parts) = project(settings, twin)?;
    let mut findings = Vec::new();
    for part in parts {
        let trouble = match project.look(&part).await {
            Ok(None) => continue,
            Ok(Some(trouble)) => trouble,
            Err(error) if error.code == NOT_FOUND => Trouble::Missing,
            Err(error) => Trouble::Unknown(error),
        };
        let what = part.to_string();
        findings.push(Finding { what, trouble });
    }
    Ok(findings)
}

fn project(settings: &GcpSettings, twin: &str) -> Result<(part::Project, Vec<Part>), GcpError> {
    let names = Names::of(settings, twin)?;
    let link = Link::open(
        settings.identity,
        &settings.endpoints,
        ServiceClock::default(),
    )?;
    let parts = Part::all(&names);
    let project = part::Project {
        firestore: firestore(settings, &link)?,
        pubsub: pubsub(settings, &link)?,
        names,
    };
    Ok((project, parts))
}

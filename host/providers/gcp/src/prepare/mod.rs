//! Makes what a twin needs in its project, says what that would be, and checks that it is there.

mod part;
mod resource;

use twin_documents::{Finding, Prepared, ServiceClock};

use crate::{
    GcpError, GcpSettings, error::NOT_FOUND, firestore, names::Names, prepare::part::Part, pubsub,
    service::Link,
};

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
pub async fn init(settings: &GcpSettings, twin: &str) -> Result<Vec<Prepared>, GcpError> {
    let (project, parts) = project(settings, twin)?;
    let mut done = Vec::with_capacity(parts.len());
    for part in parts {
        let created = project.make(&part).await?;
        done.push(Prepared::new(part.to_string(), created));
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
        let problem = match project.look(&part).await {
            Ok(None) => continue,
            Ok(Some(problem)) => problem,
            Err(error) if error.code == NOT_FOUND => part.missing(),
            Err(error) => error.into(),
        };
        findings.push(Finding::of(part.to_string(), problem));
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

//! `twin store`: prepare the store that `TWIN_STORE` names. Hosts only use it.

use clap::{Args, Subcommand};
use twin_host::{
    config::Config,
    stores::{Examined, Prepared},
};

use super::out::say;

/// What to do with the store.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create what an empty store needs: tables, and a cloud's queues and topics, too. It needs wider permissions than the
    /// hosts: for TWIN_STORE=postgres the URL of a role that may create tables in TWIN_POSTGRES_URL. What exists is left alone.
    Init(Init),
    /// Look at everything that the hosts need, and say what is missing or denied.
    Check,
    /// Bring tables that an older version created to this version. Hosts of the older version may be running.
    Upgrade,
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// Permit this role, which the hosts use, to read and write the data.
    #[arg(long, value_name = "ROLE")]
    grant: Option<String>,
    /// Only print what would be created.
    #[arg(long, conflicts_with = "grant")]
    print: bool,
}

/// Runs a command.
pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    let config = Config::store_from_env()?;
    let store = config.storage.kind;
    let name = store.name();
    let prepared = match &command {
        Command::Init(Init { print: true, .. }) => return print(&store.plan(&config).await?, name),
        Command::Init(init) => store.init(&config, init.grant.as_deref()).await?,
        Command::Check => return report(&store.examine(&config).await?, name),
        Command::Upgrade => store.upgrade(&config).await?,
    };
    let needed = prepared != Prepared::NotNeeded;
    match prepared {
        Prepared::NotNeeded => say!(
            "the store {name} is prepared by a host when it starts; TWIN_STORE names the store"
        )?,
        Prepared::Parts(parts) => print(&parts, name)?,
        Prepared::Created(version) => say!("the store {name} was created in version {version}")?,
        Prepared::Upgraded { from, to } => {
            say!("the store {name} was upgraded from version {from} to {to}")?;
        }
        Prepared::Unchanged(version) => say!("the store {name} already has version {version}")?,
    }
    if let Command::Init(Init {
        grant: Some(role), ..
    }) = &command
        && needed
    {
        say!("the role {role} may read and write the data")?;
    }
    Ok(())
}

fn print(lines: &[String], name: &str) -> anyhow::Result<()> {
    if lines.is_empty() {
        say!("nothing has to be created for the store {name}, or one command creates it all")?;
    }
    for line in lines {
        say!("{line}")?;
    }
    Ok(())
}

/// Fails if something is wrong.
fn report(examined: &Examined, name: &str) -> anyhow::Result<()> {
    for line in examined.notes.iter().chain(&examined.faults) {
        say!("{line}")?;
    }
    match examined.faults.len() {
        0 => say!("the store {name} has everything that its hosts need")?,
        count => anyhow::bail!(
            "the store {name} cannot be used as it is: {count} of its parts are missing, denied or different"
        ),
    }
    Ok(())
}

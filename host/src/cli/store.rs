//! `twin store`: prepare the store that `TWIN_STORE` names. Hosts only use it.

use clap::{Args, Subcommand};
use twin_host::{config::Config, stores::Prepared};

use super::out::say;

/// What to do with the store.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create the tables of an empty database. For TWIN_STORE=postgres, with the URL of a role that may create them in
    /// TWIN_POSTGRES_URL. Where they exist, only --grant has an effect.
    Init(Init),
    /// Bring tables that an older version created to this version. Hosts of the older version may be running.
    Upgrade,
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// Permit this role, which the hosts use, to read and write the data.
    #[arg(long, value_name = "ROLE")]
    grant: Option<String>,
}

/// Runs a command.
pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    let config = Config::store_from_env()?;
    let store = config.storage.kind;
    let prepared = match &command {
        Command::Init(init) => store.init(&config, init.grant.as_deref()).await?,
        Command::Upgrade => store.upgrade(&config).await?,
    };
    let name = store.name();
    match prepared {
        Prepared::NotNeeded => say!(
            "the store {name} is prepared by a host when it starts; TWIN_STORE names the store"
        )?,
        Prepared::Created(version) => say!("the store {name} was created in version {version}")?,
        Prepared::Upgraded { from, to } => {
            say!("the store {name} was upgraded from version {from} to {to}")?;
        }
        Prepared::Unchanged(version) => say!("the store {name} already has version {version}")?,
    }
    if let Command::Init(Init { grant: Some(role) }) = &command
        && prepared != Prepared::NotNeeded
    {
        say!("the role {role} may read and write the data")?;
    }
    Ok(())
}

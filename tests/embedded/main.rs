//! A program of its own that embeds the host, as docs/embedding.md describes: it opens the store, and the host serves the functions.

use std::error::Error;

use twin_host::{config::Config, host::Host, providers::local::Local, runtime::Sandbox};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::from_env()?;
    let listener = Host::listen(config.socket()).await?;
    let stores = Local::open(&config.storage.data_dir, &config.twin)?.stores();
    let host = Host::start_with(&Sandbox::new()?, config, stores, listener).await?;
    tokio::signal::ctrl_c().await?;
    host.stop().await;
    Ok(())
}

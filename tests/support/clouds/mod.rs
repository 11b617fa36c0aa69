//! A twin over the services of three clouds, played on emulators: its hosts are processes with a cloud's store each, and what a
//! cloud's platform does by itself (it delivers the events of the error topic) is done here.
//!
//! The emulators are found by the variables that `cargo xtask test --clouds` sets. A cloud without its emulators is
//! [`Skipped`].

pub mod account;
mod aws;
mod azure;
mod delivery;
mod gcp;
mod http;
mod story;

use std::env;

use async_trait::async_trait;
use twin_capabilities::testing::Skipped;
use twin_contract::Cloud;

pub use self::story::{Placement, Seen, Story, play, play_in};

/// An event of an error topic, as its subscriber gets it.
#[derive(Clone, Debug)]
pub struct Event {
    /// Under which the error reporter stores it.
    pub id: String,
    /// The system error, as JSON.
    pub error: String,
    /// Confirms it to the service; without that, it is delivered again.
    pub receipt: String,
}

/// Something that a service keeps: the service, what it is, and how many of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// `DynamoDB`
    pub service: &'static str,
    /// `messages`
    pub what: &'static str,
    /// How many there are.
    pub count: usize,
}

impl Kept {
    fn of(service: &'static str, what: &'static str, count: usize) -> Self {
        Self {
            service,
            what,
            count,
        }
    }
}

/// The services of one cloud, for one twin.
#[async_trait]
pub trait Services: Send + Sync {
    /// The variables of a host that keeps its data there.
    fn variables(&self) -> Vec<(&'static str, String)>;

    /// The variable with the address of the store for records, which a test can set to another one.
    fn address(&self) -> &'static str;

    /// Whether `twin store init` can prepare them. If not, [`Services::subscribe`] does it.
    fn has_administration(&self) -> bool {
        true
    }

    /// Subscribes to what the twin publishes.
    async fn subscribe(&self);

    /// The events that wait for the subscriber.
    async fn receive(&self) -> Vec<Event>;

    /// Confirms an event.
    async fn confirm(&self, event: &Event);

    /// What the services keep now.
    async fn kept(&self) -> Vec<Kept>;
}

/// The services of a cloud for a twin.
///
/// # Errors
/// The variable of the emulator that is missing.
pub async fn services(cloud: Cloud, twin: &str) -> Result<Box<dyn Services>, Skipped> {
    Ok(match cloud {
        Cloud::Aws => Box::new(aws::Aws::find(twin)?),
        Cloud::Azure => Box::new(azure::Azure::find(twin).await?),
        Cloud::Gcp => Box::new(gcp::Gcp::find(twin)?),
    })
}

/// The address of an emulator.
///
/// # Errors
/// The variable that is not set.
pub fn emulator(variable: &str) -> Result<String, Skipped> {
    env::var(variable).map_err(|_| {
        Skipped(format!(
            "{variable} is not set: `cargo xtask test --clouds` sets it"
        ))
    })
}

//! `twin dead-letters replay --from-queue`: hands what a platform could not deliver to the twin again.

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use twin_capabilities::{Failure, provider::system_clock};
use twin_host::{
    config::{Config, ConfigError},
    ingress::events::Topic,
    undelivered::{Handover, Listed, Report, Round, Source},
};

use crate::cli::{out::say, reach::log_errors_only};

/// For `--help`.
pub(super) const NOTES: &str = "\
With --from-queue, the events in a dead-letter queue of a cloud's platform are handed to the twin, as if the platform delivered \
them once more. The functions run in this process, with the environment as for `twin serve`; the credentials for the queue are \
those of its cloud's own variables. TWIN_STORE must be set: what is stored is removed from the queue, and without the platform's \
own variables the default would be `local`.

A message is removed from the queue when all of its events are stored, passed on, or kept as dead letters of the twin; the others \
stay, and the exit code is 1. Running it again is safe: events are recognised by their ids. docs/functions.md describes how each \
platform's queue is set up.";

/// How much longer than a function may take a message is hidden from others.
const MARGIN: Duration = Duration::from_secs(30);

/// Which queue.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Hand over what a platform could not deliver: the URL of an SQS queue, the URL of a container of Blob Storage, or
    /// projects/PROJECT/subscriptions/SUBSCRIPTION of Pub/Sub.
    #[arg(
        long,
        value_name = "QUEUE",
        conflicts_with_all = ["data", "url", "key", "cloud", "letter", "peer", "before"]
    )]
    // Not parsed by clap, which would show a value that it refuses: it may have a signature.
    pub(super) from_queue: Option<String>,
    /// What the events in the queue are about: telemetry, errors or letters, as in the path of POST /events/TOPIC. Required for
    /// containers and subscriptions; messages of SQS say it themselves.
    #[arg(
        long,
        value_name = "TOPIC",
        value_parser = topic,
        requires = "from_queue",
        conflicts_with_all = ["data", "url"]
    )]
    pub(super) topic: Option<Topic>,
}

fn topic(text: &str) -> Result<Topic, &'static str> {
    Topic::named(text).ok_or("must be telemetry, errors or letters")
}

/// Goes through the queue once.
pub(super) async fn run(
    queue: &str,
    topic: Option<Topic>,
    dry_run: bool,
    json: bool,
) -> anyhow::Result<()> {
    log_errors_only();
    let source: Source = queue.parse()?;
    let form = source.form(topic)?;
    check_store()?;
    let config = Config::from_env()?;
    let queue = source.open(&config)?;
    let round = Round {
        queue: queue.as_ref(),
        form,
        hold: config.delivery.function_deadline + MARGIN,
        begins: system_clock()(),
    };
    if dry_run {
        return preview(&round, &source, json).await;
    }
    let handover = Handover::open(config).await?;
    let report = round.hand_over(handover.events()).await;
    handover.stop().await;
    tell(report, &source, json)
}

/// The platform of the functions is not here to say which store they have, and what is stored is removed from the queue.
fn check_store() -> Result<(), ConfigError> {
    const STORE: &str = "TWIN_STORE";
    let store = Config::variable_from_env(STORE)?;
    if store.is_some_and(|store| !store.is_empty()) {
        return Ok(());
    }
    let reason = "what is stored is removed from the queue, and the default here is `local`, not the store of the functions";
    Err(ConfigError::Needed {
        variables: STORE,
        reason: reason.into(),
    })
}

/// Text of a message for a terminal, which must not act on it.
fn plain(text: &str) -> String {
    let shown = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().map(shown).collect()
}

fn tell(report: Report, source: &Source, json: bool) -> anyhow::Result<()> {
    let Report {
        handed_over,
        kept,
        stay,
        failures,
        ended_by,
    } = report;
    if json {
        let failures = failures.iter().map(|failed| {
            json!({"message": failed.message, "event": failed.event, "cause": failed.cause})
        });
        let failures: Vec<_> = failures.collect();
        let told =
            json!({ "handed_over": handed_over, "kept": kept, "stay": stay, "failures": failures });
        say!("{told}")?;
    } else {
        say!(
            "{handed_over} events handed over, {kept} kept as dead letters, {stay} stay in the queue"
        )?;
        for failed in &failures {
            let event = failed.event.as_ref().map(|id| format!("  event {id}"));
            let event = event.unwrap_or_default();
            let line = format!("  {}{event}  {}", failed.message, failed.cause);
            say!("{}", plain(&line))?;
        }
    }
    if let Some(failure) = ended_by {
        return Err(failure).with_context(|| format!("{source} was not read to its end"));
    }
    anyhow::ensure!(stay == 0, "{stay} messages stay in {source}");
    Ok(())
}

/// Why a list ends early.
enum Ended {
    Queue(Failure),
    Output(anyhow::Error),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Queue(failure)
    }
}

/// Shows what would be handed over.
async fn preview(round: &Round<'_>, source: &Source, json: bool) -> anyhow::Result<()> {
    let (mut events, mut unreadable) = (0_u64, 0_u64);
    let shown = round.preview(|listed| {
        match &listed.event {
            Ok(_) => events += 1,
            Err(_) => unreadable += 1,
        }
        show(&listed, json).map_err(Ended::Output)
    });
    match shown.await {
        Ok(()) => {}
        Err(Ended::Output(error)) => return Err(error),
        Err(Ended::Queue(failure)) => {
            return Err(failure).with_context(|| format!("{source} was not read to its end"));
        }
    }
    if !json {
        say!("{events} events would be handed over")?;
    }
    anyhow::ensure!(
        unreadable == 0,
        "{unreadable} messages in {source} cannot be read as events"
    );
    Ok(())
}

fn show(listed: &Listed, json: bool) -> anyhow::Result<()> {
    let Listed {
        message,
        since,
        event,
    } = listed;
    let (topic, id, cause) = match event {
        Ok((topic, id)) => (Some(topic.name()), id.as_deref(), None),
        Err(cause) => (None, None, Some(cause)),
    };
    if json {
        let told = json!({ "message": message, "since": since, "topic": topic, "event": id, "cause": cause });
        return say!("{told}");
    }
    let since = since.as_deref().unwrap_or("-");
    match (topic, cause) {
        (_, Some(cause)) => say!("{}", plain(&format!("{message}  {since}  {cause}"))),
        (topic, None) => {
            let (topic, id) = (topic.unwrap_or("-"), id.unwrap_or("-"));
            let line = format!("{message}  {since}  {topic}  event {id}");
            say!("{}", plain(&line))
        }
    }
}

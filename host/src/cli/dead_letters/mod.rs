//! `twin dead-letters`: list, show, replay and discard undeliverable messages.

mod from_queue;

use clap::{Args, Subcommand};
use serde_json::{json, value::RawValue};
use twin_contract::{DeadLetter, DiscardReason, ReplayPreview, ReplayReport, parameter};
use twin_host::function::FunctionName;

use super::{
    out::say,
    reach::{Options, Reach},
};

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List them, oldest first.
    List(Options),
    /// Show one, with its attempts and its envelope.
    Show(One),
    /// Send them again, with their own id and trace; delivered letters are removed. With --data, the environment says where to,
    /// as it does for `twin serve`.
    #[command(after_long_help = from_queue::NOTES)]
    Replay(Replay),
    /// Remove one that should not be delivered any more. It is reported as a system error, with the reason.
    Discard(Discard),
}

/// One letter.
#[derive(Debug, Args)]
pub(super) struct One {
    /// The letter's `letter_id`.
    #[arg(value_parser = letter_id)]
    letter_id: String,
    #[command(flatten)]
    options: Options,
}

/// Which letters.
#[derive(Debug, Args)]
#[command(mut_arg("data", |data| data.required_unless_present("from_queue")))]
pub(super) struct Replay {
    /// Only this one.
    #[arg(long, value_name = "LETTER_ID", value_parser = letter_id)]
    letter: Option<String>,
    /// Only letters for this peer: ingestion or writer.
    #[arg(long, value_name = "PEER")]
    peer: Option<String>,
    /// Only letters stored before this time: RFC 3339 in UTC, such as 2026-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// Send nothing, and show what would be sent.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    queue: from_queue::Options,
    #[command(flatten)]
    options: Options,
}

/// Which letter, and why.
#[derive(Debug, Args)]
pub(super) struct Discard {
    #[command(flatten)]
    letter: One,
    /// Why it is discarded: one line of at most 500 characters.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
}

/// A letter's id, valid in a path.
fn letter_id(text: &str) -> Result<String, &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let fits = (1..=128).contains(&text.len()) && text.bytes().all(plain);
    fits.then(|| text.to_owned())
        .ok_or("must be the `letter_id` of a letter")
}

fn reason(text: &str) -> Result<String, String> {
    let reason = DiscardReason::parse(&parameter("reason", text));
    reason
        .map(|reason| reason.as_str().to_owned())
        .map_err(|error| error.to_string())
}

/// Runs a command.
pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(options) => list(&options).await,
        Command::Show(one) => show(&one).await,
        Command::Replay(Replay {
            queue:
                from_queue::Options {
                    from_queue: Some(queue),
                    topic,
                },
            dry_run,
            options,
            ..
        }) => from_queue::run(&queue, topic, dry_run, options.json).await,
        Command::Replay(replay) if replay.dry_run => preview_all(&replay).await,
        Command::Replay(replay) => replay_all(&replay).await,
        Command::Discard(discard) => discard.run().await,
    }
}

async fn list(options: &Options) -> anyhow::Result<()> {
    let connector = Reach::to(FunctionName::Connector, options).await?;
    let count = connector
        .each("/dead-letters", |letter| {
            if options.json {
                say!("{letter}")
            } else {
                list_one(letter)
            }
        })
        .await?;
    if options.json {
        return Ok(());
    }
    say!("{count} dead letters")
}

fn list_one(letter: &RawValue) -> anyhow::Result<()> {
    let letter: DeadLetter = serde_json::from_str(letter.get())?;
    let cause = letter
        .attempts
        .last()
        .map_or("-", |attempt| attempt.cause.as_str());
    say!(
        "{}  {}  to {}  id {}  {cause}",
        letter.letter_id,
        letter.last_failure_at,
        letter.peer,
        letter.id
    )
}

async fn show(one: &One) -> anyhow::Result<()> {
    let connector = Reach::to(FunctionName::Connector, &one.options).await?;
    let path = format!("/dead-letters/{}", one.letter_id);
    let letter: Box<RawValue> = connector.ask("GET", &path, "", "").await?;
    if one.options.json {
        return say!("{letter}");
    }
    // The envelope stays on one line, shown byte for byte.
    let letter: DeadLetter = serde_json::from_str(letter.get())?;
    say!("{}", serde_json::to_string_pretty(&letter)?)
}

impl Replay {
    /// The part of the command that is the same for every page.
    fn command(&self, cursor: Option<&str>) -> String {
        let mut command = serde_json::Map::new();
        for (field, value) in [
            ("letter_id", self.letter.as_deref()),
            ("peer", self.peer.as_deref()),
            ("before", self.before.as_deref()),
            ("cursor", cursor),
        ] {
            if let Some(value) = value {
                command.insert(field.to_owned(), value.into());
            }
        }
        if self.dry_run {
            command.insert("dry_run".to_owned(), true.into());
        }
        serde_json::Value::Object(command).to_string()
    }
}

/// Sends commands until each letter was tried once; one command covers as many as fit in its time. Fails if any letter
/// remains.
async fn replay_all(replay: &Replay) -> anyhow::Result<()> {
    let connector = Reach::to_send(FunctionName::Connector, &replay.options).await?;
    let mut total = ReplayReport::default();
    loop {
        let command = replay.command(total.next.as_deref());
        let report: ReplayReport = connector
            .ask("POST", "/dead-letters/replay", "", &command)
            .await?;
        let reached = report.reached();
        total.replayed += report.replayed;
        total.failed += report.failed;
        total.postponed += report.postponed;
        total.failures.extend(report.failures);
        total.next = report.next;
        if total.next.is_none() {
            break;
        }
        anyhow::ensure!(
            reached > 0,
            "{} dead letters replayed, then the host ran out of time",
            total.replayed
        );
    }
    let stay = total.failed + total.postponed;
    if replay.options.json {
        let failures = &total.failures;
        let told = json!({ "replayed": total.replayed, "stay": stay, "failures": failures });
        say!("{told}")?;
    } else {
        say!("{} dead letters replayed, {stay} stay", total.replayed)?;
        for failure in &total.failures {
            say!("  {}  {}", failure.letter_id, failure.cause)?;
        }
    }
    anyhow::ensure!(stay == 0, "{stay} dead letters could not be delivered");
    Ok(())
}

/// Shows what a replay would send, page by page.
async fn preview_all(replay: &Replay) -> anyhow::Result<()> {
    let connector = Reach::to(FunctionName::Connector, &replay.options).await?;
    let mut count = 0;
    let mut cursor: Option<String> = None;
    loop {
        let command = replay.command(cursor.as_deref());
        let preview: ReplayPreview = connector
            .ask("POST", "/dead-letters/replay", "", &command)
            .await?;
        count += preview.count;
        for letter in &preview.letters {
            if replay.options.json {
                say!("{}", serde_json::to_string(letter)?)?;
            } else {
                say!(
                    "{}  {}  to {}  id {}",
                    letter.letter_id,
                    letter.stored_at,
                    letter.peer,
                    letter.id
                )?;
            }
        }
        cursor = preview.next;
        if cursor.is_none() {
            break;
        }
    }
    if replay.options.json {
        return Ok(());
    }
    say!("{count} dead letters would be sent")
}

impl Discard {
    async fn run(&self) -> anyhow::Result<()> {
        let One { letter_id, options } = &self.letter;
        let connector = Reach::to_change(FunctionName::Connector, options).await?;
        let path = format!("/dead-letters/{letter_id}");
        let query = parameter("reason", &self.reason);
        let told: Box<RawValue> = connector.ask("DELETE", &path, &query, "").await?;
        if options.json {
            say!("{told}")
        } else {
            say!("{letter_id} discarded")
        }
    }
}

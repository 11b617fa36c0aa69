//! `twin dead-letters`: list, show and replay what could not be delivered.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use twin_host::function::FunctionName;

use super::reach::{Options, Reach};

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List them, oldest first.
    List(Options),
    /// Show one, with its attempts and its envelope.
    Show(One),
    /// Send them again, with their own id and trace; what arrives is removed. With --data, the environment says where to,
    /// as it does for `twin serve`.
    Replay(Replay),
}

/// One letter.
#[derive(Debug, Args)]
pub(super) struct One {
    /// The letter's `letter_id`.
    letter_id: String,
    #[command(flatten)]
    options: Options,
}

/// Which letters.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// Only this one.
    #[arg(long, value_name = "LETTER_ID")]
    letter: Option<String>,
    #[command(flatten)]
    options: Options,
}

/// Runs a command.
pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(options) => list(&options).await,
        Command::Show(one) => show(&one).await,
        Command::Replay(replay) => replay_all(&replay).await,
    }
}

async fn list(options: &Options) -> anyhow::Result<()> {
    let connector = Reach::to(FunctionName::Connector, options).await?;
    let letters = connector.all("/dead-letters").await?;
    if options.json {
        letters.iter().for_each(|letter| println!("{letter}"));
        return Ok(());
    }
    for letter in &letters {
        let text = |field: &str| letter.get(field).and_then(Value::as_str).unwrap_or("-");
        let attempts = letter.get("attempts").and_then(Value::as_array);
        let cause = attempts
            .and_then(|attempts| attempts.last()?.get("cause")?.as_str())
            .unwrap_or("-");
        println!(
            "{}  {}  to {}  id {}  {cause}",
            text("letter_id"),
            text("last_failure_at"),
            text("peer"),
            text("id")
        );
    }
    println!("{} dead letters", letters.len());
    Ok(())
}

async fn show(one: &One) -> anyhow::Result<()> {
    let connector = Reach::to(FunctionName::Connector, &one.options).await?;
    let path = format!("/dead-letters/{}", one.letter_id);
    let letter = connector.ask("GET", &path, "", "").await?;
    if one.options.json {
        println!("{letter}");
    } else {
        println!("{letter:#}");
    }
    Ok(())
}

/// Command after command, as long as letters arrive: one covers what fits its time. Fails if any letter stays.
async fn replay_all(replay: &Replay) -> anyhow::Result<()> {
    let connector = Reach::to_send(FunctionName::Connector, &replay.options).await?;
    let command = match &replay.letter {
        Some(letter_id) => json!({ "letter_id": letter_id }).to_string(),
        None => String::new(),
    };
    let mut replayed = 0;
    loop {
        let report = connector
            .ask("POST", "/dead-letters/replay", "", &command)
            .await?;
        let count = |field: &str| report.get(field).and_then(Value::as_u64).unwrap_or(0);
        replayed += count("replayed");
        if count("replayed") > 0 && replay.letter.is_none() {
            continue;
        }
        let stay = count("failed") + count("postponed");
        if replay.options.json {
            let failures = report.get("failures");
            println!(
                "{}",
                json!({ "replayed": replayed, "stay": stay, "failures": failures })
            );
        } else {
            println!("{replayed} dead letters replayed, {stay} stay");
            for failure in report
                .get("failures")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let text = |field: &str| failure.get(field).and_then(Value::as_str).unwrap_or("-");
                println!("  {}  {}", text("letter_id"), text("cause"));
            }
        }
        anyhow::ensure!(stay == 0, "{stay} dead letters could not be delivered");
        return Ok(());
    }
}

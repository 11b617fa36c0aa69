//! `twin data`: maintain a host's data folder.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use twin_host::providers::local::maintenance::{self, CheckReport, RestoreOptions, RowsReport};

use super::out::say;

/// What to do with a data folder.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check the database of a data folder, or a backup: its structure, and the bytes of every record and dead letter. A
    /// host may be using it. Exit code 1 if anything is damaged.
    Check(Check),
    /// Copy the database of a data folder into a new file, and check the copy. A host may be using it.
    Backup(Backup),
    /// Replace a data folder's database with a backup. The backup is checked first. No host may use the folder.
    Restore(Restore),
    /// Rewrite the database of a data folder without its free pages. No host may use it.
    Compact(Compact),
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The data folder, or the file of a backup.
    #[arg(long, value_name = "DIR_OR_FILE")]
    data: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The file to create.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The file of a backup.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The data folder, which is created if it does not exist.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Replace existing files; they are kept in a separate folder.
    #[arg(long)]
    overwrite: bool,
    /// Accept a backup with damaged records or dead letters. They are not served.
    #[arg(long)]
    accept_damaged: bool,
}

#[derive(Debug, Args)]
pub(super) struct Compact {
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

/// Runs a command.
pub(super) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Check(check) => {
            let database = maintenance::database_of(&check.data);
            let report = maintenance::check(&database)?;
            print(&report)?;
            anyhow::ensure!(report.is_good(), "{} is damaged", database.display());
        }
        Command::Backup(backup) => {
            let report = maintenance::backup(&backup.data, &backup.to)?;
            print(&report)?;
            say!("copied to {}", backup.to.display())?;
            anyhow::ensure!(report.is_good(), "the copy contains damaged rows");
        }
        Command::Restore(restore) => {
            let options = RestoreOptions {
                overwrite: restore.overwrite,
                accept_damaged: restore.accept_damaged,
            };
            let kept = maintenance::restore(&restore.from, &restore.data, options)?;
            say!("restored into {}", restore.data.display())?;
            if let Some(kept) = kept {
                say!("the replaced files are in {}", kept.display())?;
            }
        }
        Command::Compact(compact) => {
            let (before, now) = maintenance::compact(&compact.data)?;
            say!("{before} bytes before, {now} bytes now")?;
        }
    }
    Ok(())
}

fn print(report: &CheckReport) -> anyhow::Result<()> {
    for line in &report.structure {
        say!("structure: {line}")?;
    }
    rows("records", &report.records)?;
    rows("dead letters", &report.letters)
}

fn rows(what: &str, report: &RowsReport) -> anyhow::Result<()> {
    say!(
        "{what}: {} intact, {} damaged",
        report.whole,
        report.damaged_count
    )?;
    for number in &report.damaged {
        say!("  damaged: row {number}")?;
    }
    Ok(())
}

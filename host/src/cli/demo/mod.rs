//! `twin demo`: real telemetry crosses three clouds, one of which fails for a while; counts prove that nothing was lost.

mod device;
mod hops;
mod stage;
mod telemetry;

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::Value;
use tracing::level_filters::LevelFilter;
use twin_contract::Cloud;
use twin_host::{config::Config, telemetry::start_logs};

use self::{
    device::{expect, summary},
    stage::{SHORTER_SAID, Stage},
    telemetry::Reading,
};
use super::out::say;

/// Readings sent while all clouds work.
const WELL: usize = 4_000;
/// Of these, readings that are sent twice, as by a device that missed the reply.
const TWICE: usize = 200;
/// Readings sent while L3 is down.
const AWAY: usize = 300;

/// No options.
#[derive(Debug, Args)]
pub(super) struct Options {}

/// Runs the demo. Fails if a count is wrong.
pub(super) async fn run(_options: Options) -> anyhow::Result<()> {
    start_logs(&Config::log_from_env(LevelFilter::OFF)?);
    let folder = tempfile::tempdir()?;
    let started = Instant::now();
    let mut stage = Stage::build(folder.path()).await?;
    let played = play(&mut stage, started.elapsed()).await;
    stage.close().await;
    played
}

async fn play(stage: &mut Stage, ready_after: Duration) -> anyhow::Result<()> {
    say!("Three clouds on this machine, ready after {ready_after:.1?}:")?;
    stage.introduce()?;
    say!("{SHORTER_SAID}")?;
    let readings = telemetry::readings()?;
    let (well, rest) = split(&readings, WELL)?;
    let (away, rest) = split(rest, AWAY)?;
    let (probe, _) = split(rest, 1)?;

    say!("\n1. {WELL} hourly temperatures of Seattle and San Francisco arrive at L1 …")?;
    let started = Instant::now();
    let sent = stage.send(well).await?;
    let seconds = started.elapsed().as_secs_f64();
    expect(&sent, 200)?;
    let hops = hops::measured();
    say!("   … and each was acknowledged when it was durable in L3.")?;

    expect(&stage.send(split(well, TWICE)?.0).await?, 200)?;
    say!("2. {TWICE} of them come a second time, as from a device that missed the reply.")?;

    say!("3. L3 (gcp) is cut off. {AWAY} more readings arrive …")?;
    stage.cut_off(Cloud::Gcp).await;
    expect(&stage.send(away).await?, 202)?;
    let letters = stage.letters().await?;
    let most = letters.iter().map(attempts).max().unwrap_or(0);
    say!(
        "   … and none is lost: L2 (azure) tried up to {most} times each, then its circuit opened; {} dead letters.",
        letters.len()
    )?;
    for error in stage.system_errors(Cloud::Azure).await? {
        say!("   system error: {error}")?;
    }

    stage.restore(Cloud::Gcp).await?;
    // The circuit is open for two seconds.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    expect(&stage.send(probe).await?, 200)?;
    say!("4. L3 is back. The next reading probes the circuit, which closes.")?;
    let made = letters.len();
    let replayed = stage.replay().await?;
    let left = stage.letters().await?.len();
    say!("   The dead letters are replayed.")?;

    let all = WELL + AWAY + 1;
    let found = stage.read_back(split(&readings, all)?.0).await?;
    say!(
        "\n   {:<42} {:>7} {:>9} {:>9}",
        "hop",
        "count",
        "p50",
        "p99"
    )?;
    for hop in hops {
        say!("   {hop}")?;
    }
    say!("   {}", summary("device to L3 and back, end to end", &sent))?;
    say!(
        "\n   {:.0} readings/s, 32 at once, with an fsync before each reply; three clouds and the devices on one machine",
        f64::from(u32::try_from(WELL)?) / seconds
    )?;
    say!(
        "\n   readings sent       {all:>6}     read back   {:>6}",
        found.matched
    )?;
    say!("   dead letters made   {made:>6}     replayed    {replayed:>6}")?;
    say!(
        "   duplicates          {:>6}     altered     {:>6}",
        found.doubled,
        found.altered
    )?;
    ensure!(
        found.matched == all,
        "{} readings were lost",
        all.abs_diff(found.matched)
    );
    ensure!(
        made > 0 && made == replayed && left == 0,
        "{left} dead letters were not delivered"
    );
    ensure!(
        found.doubled == 0,
        "{} readings were stored twice",
        found.doubled
    );
    ensure!(
        found.altered == 0,
        "{} readings were altered",
        found.altered
    );
    say!("\nNothing was lost, nothing was stored twice.")?;
    Ok(())
}

fn split(readings: &[Reading], count: usize) -> anyhow::Result<(&[Reading], &[Reading])> {
    readings
        .split_at_checked(count)
        .context("the telemetry is too short")
}

fn attempts(letter: &Value) -> usize {
    let attempts = letter.get("attempts").and_then(Value::as_array);
    attempts.map_or(0, Vec::len)
}

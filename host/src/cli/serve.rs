//! `twin serve`: runs one cloud's functions until it is told to stop.

use std::fmt::Write as _;

#[cfg(feature = "aws")]
use twin_host::ingress::{lambda, platform::Platform};
use twin_host::{
    config::{Config, Unset, groups},
    host::Host,
    resources,
    runtime::Sandbox,
    telemetry,
};

use super::signals;

/// Runs the functions.
pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    telemetry::start_logs(&config.log);
    telemetry::log_panics();
    signals::ignore_hangup()?;
    resources::raise_descriptor_limit();
    #[cfg(feature = "aws")]
    if config.listen.platform == Some(Platform::Lambda) {
        return on_lambda(config).await;
    }
    let listener = Host::listen(config.socket()).await?;
    let host = Host::start(&Sandbox::for_lanes(config.lanes)?, config, listener).await?;
    signals::told_to_stop().await?;
    host.stop().await;
    Ok(())
}

/// The same in Lambda, which is asked for what to do.
#[cfg(feature = "aws")]
async fn on_lambda(config: Config) -> anyhow::Result<()> {
    let mut told = Ok(());
    let stop = async { told = signals::told_to_stop().await };
    lambda::run(&Sandbox::for_lanes(config.lanes)?, config, stop).await?;
    told
}

/// The part of `--help` about the environment, made from the table that is used to read the environment.
pub(super) fn environment() -> String {
    let mut text = String::from("Environment variables:\n");
    for group in groups() {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {}\n", group.title);
        for variable in &group.variables {
            let unit = match variable.unit {
                "" => String::new(),
                unit => format!(" {unit}"),
            };
            let mut default = match variable.default {
                Unset::Refused => "required".to_owned(),
                Unset::Value(value) => format!("default: {value}{unit}"),
                Unset::Otherwise(words) => format!("default: {words}"),
                Unset::Nothing => "default: none".to_owned(),
            };
            for (platform, value) in variable.on_platforms {
                let _ = write!(default, "; {value}{unit} on {platform}");
            }
            let (name, help, values) = (variable.name, variable.help, variable.values());
            let _ = writeln!(text, "    {name:<28} {help} ({values}{unit}; {default})");
        }
    }
    text
}

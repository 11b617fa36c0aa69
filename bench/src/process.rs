//! Processes under test: started, observed through `/proc`, and killed through their handle.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context;

use crate::{
    serve::{Kind, Route, Serve},
    stock::Stock,
};

/// A server that runs as long as this value exists.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(serve: &Serve) -> anyhow::Result<Self> {
        if serve.kind == Kind::Stock {
            let stock = Stock::find()?.map_err(anyhow::Error::msg)?;
            let (child, address) = stock.start(serve)?;
            return Ok(Self { child, address });
        }
        let own = std::env::current_exe().context("this program has no path")?;
        let mut child = Command::new(own)
            .arg("serve")
            .args(["--kind", &name(serve.kind), "--route", &name(serve.route)])
            .args(["--peer", &serve.peer, "--data"])
            .arg(&serve.data)
            .args(["--retry-initial-ms", &serve.retry_initial_ms.to_string()])
            .args(serve.collector.iter().flat_map(|url| ["--collector", url]))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("a server does not start")?;
        let mut line = String::new();
        let out = child.stdout.take().context("a server has no output")?;
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().parse().context("a server gave no address")?;
        Ok(Self { child, address })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The CPU time that it has used so far: user and system, all threads.
    pub(crate) fn cpu(&self) -> Duration {
        cpu_of(self.id())
    }

    /// The memory that it uses now, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        status_kib(self.id(), "VmRSS:") * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may already have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn name(value: impl clap::ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

/// From the scheduler, in nanoseconds: `/proc/…/stat` counts in hundredths of a second.
fn cpu_of(process: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter();
    let nanos = tasks.flatten().flatten().filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

fn status_kib(process: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// A server of this kind for a route, with default options.
pub(crate) fn plain(kind: Kind, route: Route) -> Serve {
    Serve {
        kind,
        route,
        data: ".".into(),
        peer: "http://127.0.0.1:9/".to_owned(),
        retry_initial_ms: 1000,
        collector: None,
    }
}

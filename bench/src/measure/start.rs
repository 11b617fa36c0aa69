//! Cold start: from the start of the process to its first answer.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tempfile::TempDir;

use super::Spread;
use crate::{places::Places, plan::Plan, serve::KEY};

/// Times in milliseconds.
pub(crate) struct Starts {
    /// `twin --version`, from start to end.
    pub(crate) bare: Spread,
    pub(crate) serve: Vec<Start>,
}

/// Times by what exists when the process starts.
pub(crate) struct Start {
    pub(crate) mounted: &'static str,
    /// Code cache and data: a restart.
    pub(crate) again: Spread,
    /// Only the code cache: a new instance with a cache that was shipped to it. The store is created, durably.
    pub(crate) new_data: Spread,
    /// Nothing.
    pub(crate) new: Spread,
}

const MOUNTED: [&str; 2] = ["writer", "connector,ingestion,writer,reader,error-reporter"];

pub(crate) fn starts(plan: &Plan) -> anyhow::Result<Starts> {
    let places = Places::find()?;
    let mut bare = Vec::new();
    let mut times = [const { [const { Vec::new() }; 3] }; MOUNTED.len()];
    let warm = TempDir::new_in(places.target())?;
    for mounted in MOUNTED {
        first_answer(&places, mounted, warm.path())?;
    }
    for _ in 0..plan.starts {
        bare.push(version(&places)?);
        for (mounted, [again, new_data, new]) in MOUNTED.iter().zip(&mut times) {
            again.push(first_answer(&places, mounted, warm.path())?);
            fs::remove_dir_all(warm.path().join("data"))?;
            new_data.push(first_answer(&places, mounted, warm.path())?);
            let cold = TempDir::new_in(places.target())?;
            new.push(first_answer(&places, mounted, cold.path())?);
        }
    }
    let serve = MOUNTED.into_iter().zip(times);
    let serve = serve.map(|(mounted, [again, new_data, new])| Start {
        mounted,
        again: Spread::of(again),
        new_data: Spread::of(new_data),
        new: Spread::of(new),
    });
    Ok(Starts {
        bare: Spread::of(bare),
        serve: serve.collect(),
    })
}

fn version(places: &Places) -> anyhow::Result<f64> {
    let start = Instant::now();
    let mut twin = Command::new(&places.twin);
    let status = twin.arg("--version").stdout(Stdio::null()).status()?;
    if !status.success() {
        bail!("twin --version: {status}");
    }
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

/// Ends its process.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The time with the code cache and the data in `folder`.
fn first_answer(places: &Places, mounted: &str, folder: &Path) -> anyhow::Result<f64> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let start = Instant::now();
    let child = Command::new(&places.twin)
        .arg("serve")
        .env_clear()
        .envs([
            ("TWIN_NAME", "bench"),
            ("TWIN_CLOUD", "aws"),
            ("TWIN_FUNCTIONS", mounted),
            ("INTER_CLOUD_TOKEN", KEY),
            ("REMOTE_INGESTION_URL", "http://127.0.0.1:9/"),
            ("TWIN_BIND", "127.0.0.1"),
            ("PORT", &port.to_string()),
        ])
        .env("TWIN_DATA_DIR", folder.join("data"))
        .env("TWIN_CACHE_DIR", folder.join("code"))
        .env("TWIN_COMPONENTS_DIR", &places.components)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("twin does not start")?;
    let _running = Running(child);
    while start.elapsed() < Duration::from_secs(30) {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            ask(stream)?;
            return Ok(start.elapsed().as_secs_f64() * 1e3);
        }
        thread::sleep(Duration::from_micros(200));
    }
    bail!("twin gave no answer")
}

/// Sends a cheap request that the component must answer itself: it refuses an empty body.
fn ask(mut stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let request = format!(
        "POST /write HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    if !reply.starts_with("HTTP/1.1 400") {
        bail!("an unexpected first answer: {reply}");
    }
    Ok(())
}

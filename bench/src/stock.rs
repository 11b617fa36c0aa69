//! The same components in a stock runtime: `wasmtime serve`, composed with the WASI adapter, behind `wasi:http`.

use std::{
    env, fs,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
};

use anyhow::Context;

use crate::{
    places::Places,
    serve::{KEY, Route, Serve},
};

/// What it prints before its address.
const SERVES: &str = "Serving HTTP on http://";

/// The command and the composed functions.
pub(crate) struct Stock {
    wasmtime: PathBuf,
    composed: PathBuf,
}

impl Stock {
    /// `WASMTIME`, or the command that `cargo xtask bench` installed; otherwise a text that says what is missing.
    pub(crate) fn find() -> anyhow::Result<Result<Self, String>> {
        let target = Places::find()?.target().to_owned();
        let installed = target.join("wasmtime/wasmtime");
        let stock = Self {
            wasmtime: env::var_os("WASMTIME").map_or(installed, PathBuf::from),
            composed: target.join("wasi"),
        };
        let missing = [&stock.wasmtime, &stock.composed]
            .into_iter()
            .find(|path| !path.exists())
            .map(|path| format!("not measured: {} is not there", path.display()));
        Ok(missing.map_or(Ok(stock), Err))
    }

    /// The name and version that it reports.
    pub(crate) fn version(&self) -> anyhow::Result<String> {
        let output = Command::new(&self.wasmtime).arg("--version").output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Starts the function of a route, and returns its address.
    pub(crate) fn start(&self, serve: &Serve) -> anyhow::Result<(Child, SocketAddr)> {
        let (function, peer) = function(serve.route).context("no such route in this runtime")?;
        fs::create_dir_all(&serve.data)?;
        let retry = serve.retry_initial_ms.to_string();
        let mut variables = vec![
            ("TWIN_NAME", "bench"),
            ("TWIN_CLOUD", "aws"),
            ("INTER_CLOUD_TOKEN", KEY),
            ("RETRY_INITIAL_MS", &retry),
        ];
        variables.extend(peer.map(|name| (name, serve.peer.as_str())));
        let mut child = Command::new(&self.wasmtime)
            .args(["serve", "-Scli", "--addr=127.0.0.1:0"])
            .arg(format!("--dir={}::/data", serve.data.display()))
            .args(
                variables
                    .iter()
                    .map(|(name, value)| format!("--env={name}={value}")),
            )
            .arg(self.composed.join(format!("{function}.wasm")))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("the stock runtime does not start")?;
        let mut said = BufReader::new(child.stderr.take().context("it has no output")?);
        let address = loop {
            let mut line = String::new();
            anyhow::ensure!(said.read_line(&mut line)? > 0, "it ended: {line}");
            if let Some(rest) = line.trim().strip_prefix(SERVES) {
                break rest.trim_end_matches('/').parse()?;
            }
        };
        // Without a reader, the pipe would fill up and stop it.
        thread::spawn(move || io::copy(&mut said, &mut io::sink()));
        Ok((child, address))
    }
}

/// The function that answers on a route, and the variable for its destination. The adapter keeps records in files, so there
/// is no function for the route into memory.
pub(crate) const fn function(route: Route) -> Option<(&'static str, Option<&'static str>)> {
    match route {
        Route::Ingest => Some(("ingestion", Some("REMOTE_WRITER_URL"))),
        Route::Write => None,
        Route::WriteDurable => Some(("writer", None)),
        Route::Connector => Some(("connector", Some("REMOTE_INGESTION_URL"))),
    }
}

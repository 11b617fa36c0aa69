//! Functions as separate processes on ports of this machine, like the separate hosts of a placement.

use std::{
    collections::BTreeMap,
    fs::File,
    hash::{BuildHasher, RandomState},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use twin_tests::Vault;

use crate::runtime::{Runtime, Variables};

/// How long a runtime may take until it serves: `wasmtime serve` compiles first.
const START: Duration = Duration::from_secs(120);

/// The variable with a function's URL, and the path of its main route.
const PLACES: [(&str, &str, &str); 5] = [
    ("connector", "REMOTE_CONNECTOR_URL", "/telemetry"),
    ("ingestion", "REMOTE_INGESTION_URL", "/ingest"),
    ("writer", "REMOTE_WRITER_URL", "/write"),
    ("reader", "REMOTE_READER_URL", "/read"),
    ("error-reporter", "REMOTE_ERROR_REPORTER_URL", "/errors"),
];

/// The peers that each function is configured with.
fn peers_of(function: &str) -> &'static [&'static str] {
    match function {
        "connector" => &["ingestion", "error-reporter"],
        "ingestion" => &["writer", "error-reporter"],
        "writer" | "reader" => &["error-reporter"],
        _ => &[],
    }
}

/// A twin: its data, its ports, and the functions that are running.
pub(crate) struct Twin<'a, R> {
    runtime: &'a R,
    data: TempDir,
    ports: BTreeMap<&'static str, u16>,
    settings: Variables,
    running: Vec<(String, Child)>,
}

impl<'a, R: Runtime> Twin<'a, R> {
    /// A twin without data and without running functions.
    pub(crate) fn new(runtime: &'a R, settings: Variables) -> Self {
        // All at once, so that no port is used twice.
        let listeners = PLACES.map(|(name, ..)| (name, free_port()));
        let ports = listeners
            .iter()
            .map(|(name, listener)| (*name, listener.local_addr().unwrap().port()));
        Self {
            runtime,
            data: tempfile::tempdir().expect("a temporary folder"),
            ports: ports.collect(),
            settings,
            running: Vec::new(),
        }
    }

    /// Changes values of variables; running functions keep the old ones.
    pub(crate) fn set(&mut self, variables: &Variables) {
        self.settings.extend(variables.clone());
    }

    /// Stops all functions and starts these. A function that is not running stands for a host that is down.
    pub(crate) fn run(&mut self, functions: &[String]) {
        self.stop();
        for function in functions {
            let log = self.log(function);
            let output = File::options()
                .create(true)
                .append(true)
                .open(&log)
                .expect("a log");
            let mut command = self.runtime.command(
                function,
                self.ports[function.as_str()],
                &self.folder(),
                &self.variables(function),
            );
            let child = command
                .process_group(0)
                .stdin(Stdio::null())
                .stdout(output.try_clone().unwrap())
                .stderr(output)
                .spawn()
                .expect("the runtime starts");
            self.running.push((function.clone(), child));
        }
        for function in functions {
            self.wait_for(function);
        }
    }

    /// Controls which variables fail, on a runtime that reads them from a vault.
    pub(crate) fn vault(&self) -> Vault {
        Vault::of(&self.folder())
    }

    /// The address of the function whose route this is.
    pub(crate) fn address(&self, path: &str) -> String {
        let function = match path.split(['?', '/']).nth(1).unwrap_or_default() {
            "telemetry" | "dead-letters" => "connector",
            "ingest" => "ingestion",
            "write" => "writer",
            "read" => "reader",
            "errors" => "error-reporter",
            other => panic!("{other}: no function has this route"),
        };
        format!("http://127.0.0.1:{}{path}", self.ports[function])
    }

    /// The output of the functions, for a failing test.
    pub(crate) fn logs(&self) -> String {
        PLACES
            .iter()
            .filter_map(|(name, ..)| std::fs::read_to_string(self.log(name)).ok())
            .collect()
    }

    fn stop(&mut self) {
        for (function, child) in self.running.drain(..) {
            kill(child);
            // The serving process may not be a child of this one, so there is no other way to wait for it.
            while TcpStream::connect(address(self.ports[function.as_str()])).is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        }
    }

    fn wait_for(&mut self, function: &str) {
        let address = address(self.ports[function]);
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            for (name, child) in &mut self.running {
                if let Some(status) = child.try_wait().expect("a child") {
                    let log = self.data.path().join(format!("{name}.log"));
                    let said = std::fs::read_to_string(log).unwrap_or_default();
                    panic!("{name} ended ({status}): {said}");
                }
            }
            assert!(start.elapsed() < START, "{function} does not serve");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn variables(&self, function: &str) -> Variables {
        let place = |name: &str| format!("http://127.0.0.1:{}", self.ports[name]);
        let mut variables = Variables::new();
        for (name, url, path) in PLACES {
            if peers_of(function).contains(&name) {
                variables.insert(url.to_owned(), place(name) + path);
                variables.insert(url.replace("_URL", "_CLOUD"), "aws".to_owned());
            }
        }
        // The case's own values take precedence.
        for (variable, value) in &self.settings {
            let value = PLACES.iter().fold(value.clone(), |value, (name, ..)| {
                value.replace(&format!("{{{name}}}"), &place(name))
            });
            variables.insert(variable.clone(), value);
        }
        variables
    }

    /// The folder with the twin's data.
    pub(crate) fn folder(&self) -> PathBuf {
        let folder = self.data.path().join("data");
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    fn log(&self, function: &str) -> PathBuf {
        Path::new(self.data.path()).join(format!("{function}.log"))
    }
}

/// A free port, outside the range from which the system assigns ports. While its function is down, another process could
/// otherwise be given the port and be mistaken for the function.
fn free_port() -> TcpListener {
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 20_000;
    let random = RandomState::new().hash_one(0);
    let start = u16::try_from(random % u64::from(COUNT)).unwrap();
    let ports = (0..COUNT).map(|step| FIRST + (start + step) % COUNT);
    ports
        .filter_map(|port| TcpListener::bind(address(port)).ok())
        .next()
        .expect("a free port")
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Kills the process without letting it clean up: acknowledged data must still be stored. Also kills everything that the
/// process started, because `spin up` only starts another process, which serves.
fn kill(mut child: Child) {
    let group = format!("kill -KILL -{}", child.id());
    let _ = Command::new("sh").args(["-c", &group]).status();
    let _ = child.kill();
    let _ = child.wait();
}

impl<R> Drop for Twin<'_, R> {
    fn drop(&mut self) {
        for (_, child) in self.running.drain(..) {
            kill(child);
        }
    }
}

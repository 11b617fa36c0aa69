//! A host in its own process: `twin serve` with its environment, data folder, port and logs.

use std::{
    collections::BTreeMap,
    fs,
    io::{ErrorKind, PipeWriter},
    net::TcpListener,
    ops::Deref,
    path::Path,
    process::{self, Child, ExitStatus},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    thread,
};

use reqwest::Method;
use tempfile::TempDir;
use twin_contract::Cloud;

use super::{
    process::{ask_to_stop, eventually, exit_of, keep, twin},
    site::Site,
};
use crate::packages::Package;

/// A host, which may be running or not; its data is kept until the test ends.
#[derive(Debug)]
pub struct Host {
    site: Site,
    /// The port on which it listens.
    pub port: u16,
    vars: BTreeMap<String, String>,
    data: Arc<TempDir>,
    child: Option<Child>,
    logs: Arc<Mutex<String>>,
    /// The pipe that it logs to instead of `logs`.
    log: Option<PipeWriter>,
    /// What it is packaged in.
    package: Option<Package>,
}

impl Host {
    /// A host that is not running yet.
    pub fn of(cloud: Cloud, functions: &str) -> Self {
        let port = free_port();
        Self {
            site: Site::of(cloud, base(port), format!("key-of-{cloud}")),
            port,
            vars: BTreeMap::new(),
            data: Arc::new(TempDir::new().unwrap()),
            child: None,
            logs: Arc::default(),
            log: None,
            package: None,
        }
        .set("TWIN_NAME", "factory-01")
        .set("TWIN_CLOUD", cloud.as_str())
        .set("TWIN_FUNCTIONS", functions)
        .set("TWIN_BIND", "127.0.0.1")
        .set("INTER_CLOUD_TOKEN", &format!("key-of-{cloud}"))
        .set("RETRY_INITIAL_MS", "20")
        .set("RETRY_JITTER_PERCENT", "0")
    }

    /// Sets a variable.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        if name == "INTER_CLOUD_TOKEN" {
            self.site.key = value.split(',').take(1).collect();
        }
        self.vars.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets the three variables of a peer.
    pub fn next(self, peer: &str, there: &Self, path: &str) -> Self {
        self.set(&format!("REMOTE_{peer}_URL"), &there.url(path))
            .set(&format!("REMOTE_{peer}_CLOUD"), there.cloud.as_str())
            .set(&format!("REMOTE_{peer}_TOKEN"), &there.key)
    }

    /// Makes it log into a pipe of the test.
    pub fn logging_to(mut self, log: PipeWriter) -> Self {
        self.log = Some(log);
        self
    }

    /// Makes it run in a package, in the place of the package's platform.
    pub fn packaged(mut self, package: Package) -> Self {
        self.package = Some(package);
        self
    }

    /// Another host on the same data, on its own port.
    pub fn beside(&self) -> Self {
        let port = free_port();
        Self {
            site: Site::of(self.cloud, base(port), self.key.clone()),
            port,
            vars: self.vars.clone(),
            data: Arc::clone(&self.data),
            child: None,
            logs: Arc::default(),
            log: None,
            package: self.package.clone(),
        }
    }

    /// Runs it, and returns when it is ready.
    pub async fn start(mut self) -> Self {
        self.restart().await;
        self
    }

    /// Sets a variable of a host that is not running, or removes it; returns what it was before.
    pub fn replace(&mut self, name: &str, value: Option<String>) -> Option<String> {
        match value {
            Some(value) => self.vars.insert(name.to_owned(), value),
            None => self.vars.remove(name),
        }
    }

    /// Runs it again, and returns when it answers, whether or not it is ready.
    pub async fn restart_unready(&mut self) {
        self.serve("/healthz").await;
    }

    /// Runs it again, and returns when it is ready.
    pub async fn restart(&mut self) {
        self.serve("/readyz").await;
    }

    async fn serve(&mut self, path: &str) {
        let mut command = match &self.package {
            Some(package) => {
                let unpacked = self.data().join("unpacked");
                let mut command = package.command(self.port, &unpacked, &self.vars);
                command.env("TWIN_DATA_DIR", self.data());
                command
            }
            None => self.command(["serve"]),
        };
        if let Some(log) = &self.log {
            command.stderr(log.try_clone().unwrap());
        }
        self.run(command, path).await;
    }

    /// Runs it after a command of the shell, such as one that sets a limit, and returns when it is ready.
    pub async fn start_under(&mut self, before: &str) {
        let serve = self.command(["serve"]);
        let mut command = process::Command::new("sh");
        command
            .args(["-c", &format!("{before}; exec \"$0\" serve")])
            .arg(serve.get_program())
            .stdin(process::Stdio::null())
            .stderr(process::Stdio::piped())
            .env_clear();
        for (name, value) in serve.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        self.run(command, "/readyz").await;
    }

    /// Returns when a path is answered with 200.
    async fn run(&mut self, mut command: process::Command, path: &str) {
        let mut child = command.spawn().unwrap();
        if let Some(stderr) = child.stderr.take() {
            keep(stderr, &self.logs);
        }
        self.child = Some(child);
        eventually("the host answers", async || {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", self.logs());
            let asked = self.send(Method::GET, path, &[], "").await;
            asked.is_some_and(|reply| reply.status == 200).then_some(())
        })
        .await;
    }

    /// `twin` with this host's environment.
    pub fn command<const N: usize>(&self, arguments: [&str; N]) -> process::Command {
        let mut command = twin(arguments);
        command
            .env("TWIN_DATA_DIR", self.data())
            .env("PORT", self.port.to_string())
            .envs(&self.vars);
        command
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends it SIGTERM.
    pub fn terminate(&self) {
        ask_to_stop(self.child.as_ref().unwrap(), "TERM");
    }

    /// Sends it SIGHUP.
    pub fn hang_up(&self) {
        ask_to_stop(self.child.as_ref().unwrap(), "HUP");
    }

    /// The exit status of a host that ended by itself.
    pub fn exit(&mut self) -> ExitStatus {
        exit_of(&mut self.child.take().unwrap())
    }

    /// The id of the running process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The folder of its data.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Removes the data of a running host. If SQLite creates a file while the folder is being removed, the removal is
    /// repeated.
    pub fn remove_data(&self) {
        while let Err(error) = fs::remove_dir_all(self.data()) {
            assert_eq!(error.kind(), ErrorKind::DirectoryNotEmpty, "{error}");
        }
    }

    /// Everything that it has logged so far, across restarts.
    pub fn logs(&self) -> String {
        self.logs.lock().unwrap().clone()
    }
}

impl Deref for Host {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
            if thread::panicking() {
                println!("the log of {}:\n{}", self.cloud, self.logs());
            }
        }
    }
}

fn base(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// A port that is still free when the host is started again: it is outside the range from which the system assigns ports.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(process::id() % 1200).unwrap() * 16;
    loop {
        let port = 12_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 19_200;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

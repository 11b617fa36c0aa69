//! The runtimes: how each is found, and how it runs one function.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::Command,
};

use twin_tests::{components, packages::Package};

/// Variables of the native host, by name.
pub(crate) type Variables = BTreeMap<String, String>;

/// A program that runs the components.
pub(crate) trait Runtime {
    /// A command that serves one function on a port of this machine, with its data in a shared folder.
    fn command(&self, function: &str, port: u16, data: &Path, variables: &Variables) -> Command;
}

/// This project's host.
pub(crate) struct Host {
    program: PathBuf,
    arguments: &'static [&'static str],
}

/// `wasmtime serve` with the composed files.
pub(crate) struct Wasmtime(PathBuf);

/// `spin up` with one component of `spin.toml`: Spin itself, or the stand-in.
pub(crate) struct Spin(PathBuf);

fn target() -> PathBuf {
    let components = components();
    components.parent().expect("a folder above").to_path_buf()
}

fn existing(file: PathBuf, how: &str) -> Result<PathBuf, String> {
    if file.is_file() {
        Ok(file)
    } else {
        Err(format!("{} is not there: {how}", file.display()))
    }
}

impl Host {
    /// `twin serve`, at the path where `cargo xtask build` puts it.
    pub(crate) fn find() -> Self {
        let twin = target().join("release/twin");
        // Without it the tests would prove nothing. It is part of this project, so it is never skipped.
        let program =
            existing(twin, "cargo xtask build").unwrap_or_else(|reason| panic!("{reason}"));
        Self {
            program,
            arguments: &["serve"],
        }
    }

    /// In a program that embeds it.
    pub(crate) fn embedded() -> Self {
        Self {
            program: env!("CARGO_BIN_EXE_embedded").into(),
            arguments: &[],
        }
    }
}

impl Runtime for Host {
    fn command(&self, function: &str, port: u16, data: &Path, variables: &Variables) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(self.arguments)
            .env_clear()
            .envs(variables)
            .env("TWIN_FUNCTIONS", function)
            .env("TWIN_BIND", "127.0.0.1")
            .env("PORT", port.to_string())
            .env("TWIN_DATA_DIR", data)
            .env("TWIN_COMPONENTS_DIR", components())
            .env("TWIN_CACHE_DIR", target().join("code-cache"));
        command
    }
}

impl Wasmtime {
    /// `WASMTIME`, or the command that the set-up of the tests installed.
    pub(crate) fn find() -> Result<Self, String> {
        let installed = target().join("wasmtime/wasmtime");
        let wasmtime = env::var_os("WASMTIME").map_or(installed, PathBuf::from);
        existing(wasmtime, "cargo xtask test installs it, or set WASMTIME").map(Self)
    }
}

impl Runtime for Wasmtime {
    fn command(&self, function: &str, port: u16, data: &Path, variables: &Variables) -> Command {
        let mut command = Command::new(&self.0);
        command
            .args(["serve", "-Scli"])
            .arg(format!("--addr=127.0.0.1:{port}"))
            .arg(format!("--dir={}::/data", data.display()));
        for (name, value) in variables {
            command.arg(format!("--env={name}={value}"));
        }
        command.arg(target().join("wasi").join(format!("{function}.wasm")));
        command
    }
}

impl Spin {
    /// `SPIN`, or `spin` from PATH.
    pub(crate) fn find() -> Result<Self, String> {
        if let Some(spin) = env::var_os("SPIN") {
            return existing(spin.into(), "SPIN names it").map(Self);
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let found = env::split_paths(&path)
            .map(|folder| folder.join("spin"))
            .find(|file| file.is_file());
        found
            .map(Self)
            .ok_or_else(|| "no `spin` on PATH, and SPIN is not set".to_owned())
    }

    /// The stand-in, which cargo builds before these tests.
    pub(crate) fn stand_in() -> Self {
        Self(env!("CARGO_BIN_EXE_spin-stand-in").into())
    }
}

impl Runtime for Spin {
    fn command(&self, function: &str, port: u16, data: &Path, variables: &Variables) -> Command {
        let mut command = Command::new(&self.0);
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spin.toml");
        command
            .args(["up", "--quiet", "--from"])
            .arg(manifest)
            .arg(format!("--listen=127.0.0.1:{port}"))
            .arg("--state-dir")
            .arg(data)
            .args(["--component-id", function]);
        let unset = ["INGESTION", "WRITER", "CONNECTOR", "ERROR_REPORTER"]
            .map(|peer| format!("REMOTE_{peer}_URL"));
        for name in unset.iter().filter(|name| !variables.contains_key(*name)) {
            // The manifest's defaults refer to the same app, where the other functions do not run.
            command.env(format!("SPIN_VARIABLE_{name}"), "");
        }
        for (name, value) in variables {
            command.env(format!("SPIN_VARIABLE_{name}"), value);
            if let (Some(peer), Some(end)) = (name.strip_suffix("_URL"), value.rfind('/')) {
                command.env(format!("SPIN_VARIABLE_{peer}_HOST"), &value[..end]);
            }
        }
        command
    }
}

impl Runtime for Package {
    fn command(&self, function: &str, port: u16, data: &Path, variables: &Variables) -> Command {
        let unpacked = data.with_file_name(format!("unpacked-{function}"));
        let mut command = Package::command(self, port, &unpacked, variables);
        command
            .env("TWIN_FUNCTIONS", function)
            .env("TWIN_STORE", "local")
            .env("TWIN_EPHEMERAL", "1")
            .env("TWIN_DATA_DIR", data);
        command
    }
}

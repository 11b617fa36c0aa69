//! Packages of `cargo xtask package`, each run in the place of its platform by the program `function-host` of this package.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use twin_contract::{Cloud, FunctionName, digest};

use crate::components;

/// A package, and what runs it.
#[derive(Clone, Debug)]
pub struct Package {
    platform: &'static str,
    folder: PathBuf,
    function_host: PathBuf,
    /// The address of the emulator of AWS.
    emulator: Option<String>,
}

impl Package {
    /// The package for a cloud's own functions, made of the components that other tests run. `function_host` is the program of that name.
    ///
    /// # Errors
    /// What is missing.
    pub fn find(cloud: Cloud, function_host: &str) -> Result<Self, String> {
        let platform = match cloud {
            Cloud::Aws => "lambda",
            Cloud::Azure => "azure",
            Cloud::Gcp => "cloud-run",
        };
        let emulator = match cloud {
            Cloud::Aws => {
                let address = env::var("TWIN_TEST_AWS");
                Some(address.map_err(|_| "TWIN_TEST_AWS is not set".to_owned())?)
            }
            Cloud::Azure | Cloud::Gcp => None,
        };
        let made = env::var_os("TWIN_TEST_PACKAGES_DIR").map(PathBuf::from);
        let packages = made.unwrap_or_else(|| components().with_file_name("packages"));
        let folder = packages.join(cloud.as_str());
        let how = format!("`cargo xtask test --clouds` or `cargo xtask package {cloud}` makes it");
        let bill = fs::read(folder.join("sbom.cdx.json"));
        let bill = bill.map_err(|_| format!("there is no {}: {how}", folder.display()))?;
        let bill: Value = serde_json::from_slice(&bill).expect("the bill of materials is JSON");
        for function in FunctionName::ALL {
            let component = fs::read(components().join(format!("{function}.wasm")));
            let component = digest(&component.expect("the component can be read"));
            if packaged(&bill, function) != Some(&component) {
                let folder = folder.display();
                return Err(format!(
                    "{folder} has another {function} than these tests: {how}"
                ));
            }
        }
        Ok(Self {
            platform,
            folder,
            function_host: function_host.into(),
            emulator,
        })
    }

    /// A command that serves its functions on a port, with these variables. `unpacked` is a folder of its own.
    pub fn command<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        &self,
        port: u16,
        unpacked: &Path,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Command {
        let mut command = Command::new(&self.function_host);
        command
            .arg(self.platform)
            .arg(&self.folder)
            .arg(port.to_string())
            .arg(unpacked)
            .env_clear()
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(emulator) = &self.emulator {
            command.env("TWIN_TEST_AWS", emulator);
        }
        command
    }
}

/// The SHA-256 of a function's component, by a bill of materials.
fn packaged(bill: &Value, function: FunctionName) -> Option<&str> {
    let mut parts = bill["components"].as_array()?.iter();
    let part = parts.find(|part| part["name"] == format!("{function}.wasm"))?;
    part["hashes"][0]["content"].as_str()
}

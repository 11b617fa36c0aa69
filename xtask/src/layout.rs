//! All paths. This is the only part of xtask that knows the project's folders.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use twin_process::clean;

/// The project's root and its target folder, both absolute.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The workspace's root.
    pub(crate) root: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
}

impl Layout {
    /// Finds the folders without starting cargo.
    pub(crate) fn find() -> anyhow::Result<Self> {
        // `cargo run` sets the package's folder; a binary started by hand uses the folder in which it was built.
        let package = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = package
            .parent()
            .context("xtask lies outside of a workspace")?
            .to_path_buf();
        let target = match env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()) {
            Some(dir) => {
                std::path::absolute(dir).context("CARGO_TARGET_DIR is not a usable path")?
            }
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The folder of components, ready to be loaded.
    pub(crate) fn components(&self) -> PathBuf {
        self.target.join("components")
    }

    /// The folder with the component that misbehaves, under the name of a function.
    pub(crate) fn test_components(&self) -> PathBuf {
        self.target.join("test-components")
    }

    /// Where cargo puts the components that it builds.
    pub(crate) fn built(&self) -> PathBuf {
        self.guest_target().join("wasm32-wasip2/component")
    }

    /// The folder of adapters, ready for composition.
    pub(crate) fn adapters(&self) -> PathBuf {
        self.components().join("adapters")
    }

    /// The functions composed with the WASI adapter.
    pub(crate) fn composed(&self) -> PathBuf {
        self.target.join("wasi")
    }

    /// A package in one of its forms.
    pub(crate) fn package(&self, form: &str) -> PathBuf {
        self.target.join("packages").join(form)
    }

    /// The packages that are made for the tests.
    pub(crate) fn test_packages(&self) -> PathBuf {
        self.target.join("test-packages")
    }

    /// The `twin` command.
    pub(crate) fn twin(&self) -> PathBuf {
        self.release("twin")
    }

    /// A program of this project.
    pub(crate) fn release(&self, name: &str) -> PathBuf {
        self.built_with("release", name)
    }

    /// A program of this project with the profile that is shipped, `dist`.
    pub(crate) fn shipped(&self, name: &str) -> PathBuf {
        self.built_with("dist", name)
    }

    /// A program of this project, built with a profile of `Cargo.toml`.
    pub(crate) fn built_with(&self, profile: &str, name: &str) -> PathBuf {
        let name = format!("{name}{}", env::consts::EXE_SUFFIX);
        self.target.join(profile).join(name)
    }

    /// Cargo's own target folder for the guests, so that native and guest builds never wait for each other's lock.
    pub(crate) fn guest_target(&self) -> PathBuf {
        self.target.join("wasm")
    }

    /// The toolchain that xtask makes if rustup cannot download the target.
    pub(crate) fn made_toolchain(&self) -> PathBuf {
        self.target.join("wasm-toolchain")
    }

    /// Cargo in the project's root.
    pub(crate) fn cargo(&self) -> Command {
        let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut cargo = clean(Path::new(&program));
        cargo
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target);
        cargo
    }

    /// Tells a command where its components are and where to keep compiled code.
    pub(crate) fn point_at_components<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("TWIN_COMPONENTS_DIR", self.components())
            .env("TWIN_CACHE_DIR", self.target.join("code-cache"))
    }
}

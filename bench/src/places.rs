//! The paths: set by `cargo xtask bench`, otherwise cargo's defaults.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// The folders and programs that the bench uses.
pub(crate) struct Places {
    pub(crate) root: PathBuf,
    pub(crate) components: PathBuf,
    pub(crate) cache: PathBuf,
    pub(crate) twin: PathBuf,
    target: PathBuf,
}

impl Places {
    pub(crate) fn find() -> anyhow::Result<Self> {
        let own = env::current_exe().context("this program has no path")?;
        let release = own.parent().context("this program lies nowhere")?;
        let target = release.parent().context("this program lies at the root")?;
        let folder = |variable, name: &str| {
            env::var_os(variable).map_or_else(|| target.join(name), PathBuf::from)
        };
        Ok(Self {
            root: Path::new(env!("CARGO_MANIFEST_DIR")).join(".."),
            components: folder("TWIN_COMPONENTS_DIR", "components"),
            cache: folder("TWIN_CACHE_DIR", "code-cache"),
            twin: release.join("twin"),
            target: target.to_owned(),
        })
    }

    /// Where the data of a run is: on the disk on which the project is built.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }
}

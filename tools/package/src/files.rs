//! The files of a package, in memory and in a fixed order.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::Context;

/// A file's content, and whether it is a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// The content.
    pub(crate) bytes: Vec<u8>,
    /// Whether it is executable.
    pub(crate) executable: bool,
}

impl File {
    /// The permissions that it gets.
    pub(crate) const fn mode(&self) -> u32 {
        if self.executable { 0o755 } else { 0o644 }
    }
}

/// Files by their paths, which are relative and separated by `/`. The order is that of the paths, so that the same files give the
/// same package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files(BTreeMap<String, File>);

impl Files {
    /// Adds a file that is not a program.
    pub(crate) fn add(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.insert(path.into(), bytes.into(), false);
    }

    /// Adds a program.
    pub(crate) fn add_program(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.insert(path.into(), bytes.into(), true);
    }

    fn insert(&mut self, path: String, bytes: Vec<u8>, executable: bool) {
        self.0.insert(path, File { bytes, executable });
    }

    /// Adds all files of another package.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// All files, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &File)> {
        self.0.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// Writes them into a folder, from which everything else is removed first.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        if folder.exists() {
            fs::remove_dir_all(folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        for (path, file) in self.iter() {
            let path = folder.join(path);
            let place = || format!("cannot write {}", path.display());
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).with_context(place)?;
            }
            fs::write(&path, &file.bytes).with_context(place)?;
            let mode = fs::Permissions::from_mode(file.mode());
            fs::set_permissions(&path, mode).with_context(place)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_with_their_permissions_and_nothing_else_is_left() {
        let folder = std::env::temp_dir().join(format!("twin-package-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("old"), "x").unwrap();
        let mut files = Files::default();
        files.add_program("bin/twin", "program");
        files.add("host.json", "{}");
        files.write(&folder).unwrap();
        let mode = |path: &str| {
            fs::metadata(folder.join(path))
                .unwrap()
                .permissions()
                .mode()
        };
        assert_eq!(mode("bin/twin") & 0o777, 0o755);
        assert_eq!(mode("host.json") & 0o777, 0o644);
        assert!(!folder.join("old").exists());
        fs::remove_dir_all(folder).unwrap();
    }
}

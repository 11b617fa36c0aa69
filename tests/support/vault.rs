//! The variables of the stand-in for Spin, as from a vault: a test makes some of them fail, and sees which were requested.
//! Both sides share the data folder.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

/// What tests and the stand-in exchange about variables, in files. Names are Spin's, in lower case.
pub struct Vault {
    failing: PathBuf,
    asked: PathBuf,
}

impl Vault {
    /// The vault of the functions whose data is in this folder.
    pub fn of(folder: &Path) -> Self {
        Self {
            failing: folder.join("variables-that-fail"),
            asked: folder.join("variables-asked-for"),
        }
    }

    /// From now on these variables, and no others, fail, including in running processes.
    pub fn fail(&self, names: &[impl AsRef<str>]) {
        let names: Vec<_> = names.iter().map(AsRef::as_ref).collect();
        // A reader at this moment sees either the old names or the new ones.
        let next = self.failing.with_extension("next");
        fs::write(&next, names.join("\n")).expect("the folder can be written");
        fs::rename(next, &self.failing).expect("the folder can be written");
    }

    /// Whether a variable fails now.
    pub fn fails(&self, name: &str) -> bool {
        let failing = fs::read_to_string(&self.failing).unwrap_or_default();
        failing.lines().any(|failing| failing == name)
    }

    /// Records that an instance of a component requested a variable.
    pub fn note(&self, component: &str, instance: usize, name: &str) {
        let asked = File::options().create(true).append(true).open(&self.asked);
        let line = format!("{component} {instance} {name}\n");
        let written = asked.and_then(|mut asked| asked.write_all(line.as_bytes()));
        written.expect("the folder can be written");
    }

    /// The variables that a component has requested, each with the number of the instance, in order and with repetitions.
    pub fn asked(&self, component: &str) -> Vec<String> {
        let asked = fs::read_to_string(&self.asked).unwrap_or_default();
        let lines = asked.lines().filter_map(|line| line.split_once(' '));
        lines
            .filter(|(by, _)| *by == component)
            .map(|(_, what)| what.to_owned())
            .collect()
    }
}

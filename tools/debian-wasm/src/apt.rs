//! Runs apt with separate folders: it reads the machine's sources, proxies and keys, and changes nothing on the machine.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use twin_process as process;

use super::sources;

/// apt with a configuration file of its own.
#[derive(Debug)]
pub(super) struct Apt {
    conf: PathBuf,
}

impl Apt {
    /// Writes the configuration into `home`.
    pub(super) fn new(home: &Path, codename: &str, backports: bool) -> anyhow::Result<Self> {
        for dir in ["lists/partial", "cache/archives/partial", "sources", "none"] {
            fs::create_dir_all(home.join(dir)).context("cannot create apt's folders")?;
        }
        let list = sources::of_machine(codename, backports)?;
        fs::write(home.join("sources/debian.sources"), list)
            .context("cannot write apt's sources")?;
        let conf = home.join("apt.conf");
        fs::write(&conf, configuration(home)).context("cannot write apt's configuration")?;
        Ok(Self { conf })
    }

    /// Fetches the package lists.
    pub(super) fn update(&self) -> anyhow::Result<()> {
        process::read(self.command("apt-get").arg("update")).map(drop)
    }

    /// The version that would be downloaded.
    pub(super) fn candidate(&self, package: &str) -> anyhow::Result<String> {
        let policy = process::read(self.command("apt-cache").args(["policy", package]))?;
        policy
            .lines()
            .find_map(|line| line.trim().strip_prefix("Candidate: "))
            .map(str::to_owned)
            .with_context(|| format!("apt knows no package {package}"))
    }

    /// The packages, and all libraries that they need directly or indirectly and that the machine lacks.
    pub(super) fn with_missing_libraries(&self, roots: &[&str]) -> anyhow::Result<Vec<String>> {
        let installed = installed()?;
        let mut all: BTreeSet<String> = roots.iter().map(|root| (*root).to_owned()).collect();
        let mut new = all.clone();
        while !new.is_empty() {
            let mut depends = self.command("apt-cache");
            depends.args(["depends", "--important"]).args(&new);
            new = needed(&process::read(&mut depends)?)
                .filter(|name| is_library(name) && !installed.contains(*name))
                .map(str::to_owned)
                .filter(|name| !all.contains(name))
                .collect();
            all.extend(new.iter().cloned());
        }
        Ok(all.into_iter().collect())
    }

    /// Downloads packages, which apt verifies as usual, and returns the files.
    pub(super) fn download(&self, packages: &[String], to: &Path) -> anyhow::Result<Vec<PathBuf>> {
        fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
        println!("downloading {}", packages.join(" "));
        let mut download = self.command("apt-get");
        download.current_dir(to).arg("download").args(packages);
        process::read(&mut download)?;
        let mut files = Vec::new();
        for file in fs::read_dir(to).with_context(|| format!("cannot list {}", to.display()))? {
            files.push(file.context("cannot list the packages")?.path());
        }
        if files.len() != packages.len() {
            let (got, wanted) = (files.len(), packages.len());
            bail!("apt downloaded {got} packages instead of {wanted}");
        }
        Ok(files)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("LC_ALL", "C")
            .arg("-q")
            .arg("-c")
            .arg(&self.conf);
        command
    }
}

/// Overrides the machine's own configuration, except for its proxies. Its pins and hooks are removed: a pin could hide a
/// version, and a hook (container images clean caches in one) would change the machine.
fn configuration(home: &Path) -> String {
    let home = home.display();
    format!(
        r#"#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Default-Release "";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Retries "3";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "{home}/sources";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "{home}/none";
Dir::State::Lists "{home}/lists";
Dir::Cache "{home}/cache";
"#
    )
}

fn installed() -> anyhow::Result<BTreeSet<String>> {
    let format = "-f=${db:Status-Abbrev} ${Package}\n";
    let list = process::read(Command::new("dpkg-query").args(["-W", format]))?;
    let names = list.lines().filter_map(|line| line.strip_prefix("ii "));
    Ok(names.map(|name| name.trim().to_owned()).collect())
}

/// The names in the output of `apt-cache depends`; virtual packages are in angle brackets and are never libraries.
fn needed(depends: &str) -> impl Iterator<Item = &str> {
    depends.lines().filter_map(|line| {
        let (kind, name) = line.trim_start_matches([' ', '|']).split_once(": ")?;
        matches!(kind, "Depends" | "PreDepends").then_some(name.trim())
    })
}

/// Whether a package is a runtime library. C compilers and headers are not needed, because the native build also needs them
/// and so they are installed. Rust's own library is the exception whose name ends in `-dev`.
fn is_library(name: &str) -> bool {
    name.starts_with("libstd-rust") || (name.starts_with("lib") && !name.ends_with("-dev"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_followed_and_tools_are_not() {
        let depends = "cargo-web\n  Depends: libgit2-1.5\n |Depends: gcc\n  Depends: <libc-dev>\n    libc6-dev\n  \
                       PreDepends: libc6\n  Depends: libstd-rust-web-dev\n  Depends: libc6-dev\n";
        let found: Vec<_> = needed(depends).filter(|name| is_library(name)).collect();
        assert_eq!(found, ["libgit2-1.5", "libc6", "libstd-rust-web-dev"]);
    }
}

//! What a program needs of the machine that it runs on, read from its ELF file.

use std::fmt;

use anyhow::{Context, bail, ensure};
use object::{
    Endianness,
    elf::{EM_AARCH64, EM_X86_64, FileHeader64, PT_INTERP},
    read::elf::{FileHeader, ProgramHeader},
};

/// The latest glibc that the platforms have: that of Amazon Linux 2023, on which Lambda's `provided.al2023` stands.
pub(crate) const LATEST_GLIBC: Version = Version(2, 34);

/// A version of glibc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32);

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.0, self.1)
    }
}

/// A processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    /// x86-64.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

impl Machine {
    /// Its name in container images.
    pub(crate) const fn oci(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }
}

/// How a program is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Linkage {
    /// The processor that it is for.
    pub(crate) machine: Machine,
    /// Whether a dynamic linker has to load it.
    pub(crate) interpreted: bool,
    /// The latest version of glibc that one of its symbols needs.
    pub(crate) glibc: Option<Version>,
}

impl Linkage {
    /// Reads a program.
    ///
    /// # Errors
    /// If it is not an ELF file for a 64-bit processor that packages are made for.
    pub(crate) fn of(program: &[u8]) -> anyhow::Result<Self> {
        let header = FileHeader64::<Endianness>::parse(program).context("not an ELF file")?;
        let endian = header.endian().context("not an ELF file")?;
        let machine = match header.e_machine(endian) {
            EM_X86_64 => Machine::X86_64,
            EM_AARCH64 => Machine::Aarch64,
            other => bail!("a program for the processor {other}, which no package is made for"),
        };
        let segments = header.program_headers(endian, program)?;
        let interpreted = segments
            .iter()
            .any(|segment| segment.p_type(endian) == PT_INTERP);
        Ok(Self {
            machine,
            interpreted,
            glibc: glibc(header, endian, program)?,
        })
    }

    /// Succeeds if the program runs without any library.
    pub(crate) fn require_static(self) -> anyhow::Result<()> {
        ensure!(
            !self.interpreted && self.glibc.is_none(),
            "the program is not static, but the image has no libraries: build it with `-C target-feature=+crt-static`"
        );
        Ok(())
    }

    /// Succeeds if the program runs with this glibc.
    pub(crate) fn require_glibc(self, latest: Version) -> anyhow::Result<()> {
        if let Some(needed) = self.glibc.filter(|needed| *needed > latest) {
            bail!(
                "the program needs glibc {needed}, but the platform has {latest}: build it on an older system, or with \
                 `-C target-feature=+crt-static`"
            );
        }
        Ok(())
    }
}

/// The latest version of glibc in the table of versions that the program needs of its libraries.
fn glibc(
    header: &FileHeader64<Endianness>,
    endian: Endianness,
    program: &[u8],
) -> anyhow::Result<Option<Version>> {
    let sections = header.sections(endian, program)?;
    let Some((mut libraries, link)) = sections.gnu_verneed(endian, program)? else {
        return Ok(None);
    };
    let names = sections.strings(endian, program, link)?;
    let mut latest = None;
    while let Some((_, mut versions)) = libraries.next()? {
        while let Some(version) = versions.next()? {
            latest = latest.max(parse(version.name(endian, names)?));
        }
    }
    Ok(latest)
}

/// `GLIBC_2.34`, or `GLIBC_2.2.5`, whose third number does not matter here.
fn parse(name: &[u8]) -> Option<Version> {
    let text = str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?;
    let mut numbers = text.split('.').map(str::parse);
    Some(Version(numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_a_real_program() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let linkage = Linkage::of(&program).unwrap();
        assert!(linkage.interpreted);
        // Every program that Rust links to glibc needs at least this.
        let needed = linkage.glibc.unwrap();
        assert!(needed >= Version(2, 17), "{needed}");
        linkage.require_glibc(needed).unwrap();
        let error = linkage.require_glibc(Version(2, 4)).unwrap_err();
        assert!(error.to_string().contains(&needed.to_string()), "{error}");
        linkage.require_static().unwrap_err();
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(parse(b"GLIBC_2.2.5"), Some(Version(2, 2)));
        assert!(parse(b"GLIBC_2.34") > parse(b"GLIBC_2.4"));
        assert_eq!(parse(b"GCC_3.0"), None);
        assert_eq!(parse(b"GLIBC_PRIVATE"), None);
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert!(Linkage::of(b"#!/bin/sh").is_err());
        assert!(Linkage::of(b"").is_err());
    }
}

//! The command line.

use std::ffi::OsString;

use anyhow::bail;
use lexopt::{
    Arg::{Long, Short, Value},
    Parser, ValueExt,
};

use crate::SHIPPED;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Builds, demonstrates, tests and measures Twin2MultiCloud

Usage: cargo xtask <COMMAND>

Commands:
  build                     Build the five function components and the `twin` command
      --components-only     Build the function components and leave the native command alone
      --dist                Build the command for deployment, into target/dist: optimized for speed, which
                            takes several minutes longer
      --lean                With --dist: without the compiler. Such a command runs only what `twin compile` made
      --features FEATURES   Cargo features of the command for deployment, separated by commas: `postgres` adds the
                            store of that name. Without --dist the command has all of them, because the tests need them
      --wasi                Also compose each function with the WASI adapter, into target/wasi
  package FORM              Build the command for deployment without the compiler, static and with the store of its platform, and put
                            it with precompiled components into a package below target/packages. FORM is aws (a zip file for AWS
                            Lambda), azure (an app for Azure Functions), gcp (an OCI image for Cloud Run), oci (an OCI image with the
                            store `postgres`) or kubernetes (the same image, and a base for Kustomize)
      --functions NAMES     Only these functions, separated by commas
      --arch ARCH           For machines of this architecture, x86_64 or aarch64, if it is not this machine's
  demo [ARGS]...            Build, then run `twin demo` with these arguments
      --clouds              Instead, run the twin's hosts over emulators of the clouds' services
  test                      Build, then check formatting, lints and documentation, and run all tests
      --only NAME           Run only the tests whose name contains this, and no lints
      --clouds              Also check and test what the clouds are needed for, against emulators that are installed
                            below the target folder. Those that cannot be had are named, and their tests skipped. Without
                            --only, this makes the packages for the clouds' functions first, with one program for all of
                            them, optimized less than those that `package` makes; with it, their tests use what is there
  bench                     Build, then measure the host beside native code, and write docs/performance.md
      --quick               Takes about a minute, and writes nothing
  generate                  Write what is generated from the tables in the code: docs/api.md, docs/openapi.json,
                            docs/configuration.md and the variables in the manifests for Spin
  guard                     Count the instructions of the hot path and compare them with the committed baseline
      --write               Write a new baseline
";

/// The tasks of this program.
#[derive(Debug, PartialEq)]
pub(crate) enum Task {
    /// Print the help.
    Help,
    /// Build the components and the command.
    Build(Build),
    /// Build, then make a package.
    Package(Package),
    /// Build, then run `twin demo` with these arguments.
    Demo(Vec<OsString>),
    /// Build, then run the demo over emulators of the clouds' services.
    DemoOfClouds,
    /// Build, then check and test everything, or only some of it.
    Test(Tests),
    /// Build, then measure.
    Bench {
        /// Briefly, and without writing anything.
        quick: bool,
    },
    /// Write the generated files.
    Generate,
    /// Count instructions.
    Guard {
        /// Write a new baseline.
        write: bool,
    },
}

/// What is to be tested.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tests {
    /// Only the tests whose name contains this, and no lints.
    pub(crate) only: Option<String>,
    /// Also what the clouds are needed for.
    pub(crate) clouds: bool,
}

/// What is to be built.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Build {
    /// Build nothing native.
    pub(crate) components_only: bool,
    /// The command for deployment.
    pub(crate) dist: bool,
    /// Without the compiler.
    pub(crate) lean: bool,
    /// Cargo features of the command for deployment.
    pub(crate) features: Option<String>,
    /// Also build the functions composed with the WASI adapter.
    pub(crate) wasi: bool,
}

/// What a package is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// AWS Lambda.
    Aws,
    /// Azure Functions.
    Azure,
    /// Cloud Run.
    Gcp,
    /// Any container platform.
    Oci,
    /// Kubernetes.
    Kubernetes,
}

impl Form {
    const ALL: [Self; 5] = [
        Self::Aws,
        Self::Azure,
        Self::Gcp,
        Self::Oci,
        Self::Kubernetes,
    ];

    /// The clouds' own functions.
    pub(crate) const OF_CLOUDS: [Self; 3] = [Self::Aws, Self::Azure, Self::Gcp];

    /// Its name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
            Self::Oci => "oci",
            Self::Kubernetes => "kubernetes",
        }
    }

    /// The profile of `Cargo.toml` by which the command is built.
    pub(crate) const fn profile(self) -> &'static str {
        match self {
            Self::Aws | Self::Azure | Self::Gcp => "function",
            Self::Oci | Self::Kubernetes => SHIPPED,
        }
    }

    /// The cargo feature with the store that the command gets.
    pub(crate) const fn store(self) -> &'static str {
        match self {
            Self::Aws | Self::Azure | Self::Gcp => self.as_str(),
            Self::Oci | Self::Kubernetes => "postgres",
        }
    }
}

/// An architecture for which packages are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arch {
    /// AMD64.
    X86_64,
    /// ARM64.
    Aarch64,
}

impl Arch {
    /// The target of the compilers, without what it needs of the operating system beyond Linux.
    pub(crate) const fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Aarch64 => "aarch64-unknown-linux-gnu",
        }
    }
}

/// What is to be packaged.
#[derive(Debug, PartialEq)]
pub(crate) struct Package {
    /// For what.
    pub(crate) form: Form,
    /// The functions, separated by commas; all if there are none.
    pub(crate) functions: Option<String>,
    /// The architecture; this machine's if there is none.
    pub(crate) arch: Option<Arch>,
    /// Only for the tests: apart from what is shipped, and with a program that is built faster.
    pub(crate) for_tests: bool,
}

impl Package {
    /// All functions, for this machine's architecture.
    pub(crate) const fn for_tests(form: Form) -> Self {
        Self {
            form,
            functions: None,
            arch: None,
            for_tests: true,
        }
    }
}

/// Parses the arguments, without the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<Task> {
    let mut arguments = Parser::from_args(arguments);
    let task = match arguments.next()? {
        None | Some(Short('h') | Long("help")) => return Ok(Task::Help),
        Some(Value(name)) => name.string()?,
        Some(other) => return Err(other.unexpected().into()),
    };
    match task.as_str() {
        "build" => build(&mut arguments),
        "package" => package(&mut arguments),
        "demo" => {
            let arguments: Vec<_> = arguments.raw_args()?.collect();
            Ok(match arguments.as_slice() {
                [only] if only == "--clouds" => Task::DemoOfClouds,
                _ => Task::Demo(arguments),
            })
        }
        "test" => {
            let mut tests = Tests::default();
            while let Some(argument) = arguments.next()? {
                match argument {
                    Long("only") => tests.only = Some(arguments.value()?.string()?),
                    Long("clouds") => tests.clouds = true,
                    Short('h') | Long("help") => return Ok(Task::Help),
                    other => return Err(other.unexpected().into()),
                }
            }
            Ok(Task::Test(tests))
        }
        "bench" => switch(&mut arguments, "quick", |quick| Task::Bench { quick }),
        "generate" => switch(&mut arguments, "", |_| Task::Generate),
        "guard" => switch(&mut arguments, "write", |write| Task::Guard { write }),
        other => bail!("unknown command `{other}`: see `cargo xtask --help`"),
    }
}

fn build(arguments: &mut Parser) -> anyhow::Result<Task> {
    let mut build = Build::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("components-only") => build.components_only = true,
            Long("dist") => build.dist = true,
            Long("lean") => build.lean = true,
            Long("features") => build.features = Some(arguments.value()?.string()?),
            Long("wasi") => build.wasi = true,
            Short('h') | Long("help") => return Ok(Task::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    if build.components_only && build.dist {
        bail!("--components-only cannot be used with --dist");
    }
    if build.lean && !build.dist {
        bail!(
            "--lean requires --dist: without the compiler, nothing that was just built would run"
        );
    }
    if build.features.is_some() && !build.dist {
        bail!("--features requires --dist");
    }
    Ok(Task::Build(build))
}

fn package(arguments: &mut Parser) -> anyhow::Result<Task> {
    let (mut form, mut functions, mut arch) = (None, None, None);
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(name) if form.is_none() => {
                let known = Form::ALL.into_iter().find(|form| name == form.as_str());
                let Some(known) = known else {
                    bail!("unknown package `{}`: use {}", name.display(), forms());
                };
                form = Some(known);
            }
            Long("functions") => functions = Some(arguments.value()?.string()?),
            Long("arch") => {
                let name = arguments.value()?;
                arch = Some(match name.to_str() {
                    Some("x86_64") => Arch::X86_64,
                    Some("aarch64") => Arch::Aarch64,
                    _ => bail!(
                        "--arch: unknown architecture `{}`: use x86_64 or aarch64",
                        name.display()
                    ),
                });
            }
            Short('h') | Long("help") => return Ok(Task::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    let Some(form) = form else {
        bail!(
            "which package? `cargo xtask package FORM`, with {}",
            forms()
        );
    };
    Ok(Task::Package(Package {
        form,
        functions,
        arch,
        for_tests: false,
    }))
}

fn forms() -> String {
    Form::ALL.map(Form::as_str).join(", ")
}

/// Parses a command whose only option is this switch; an empty name means that it has none.
fn switch(arguments: &mut Parser, name: &str, task: impl Fn(bool) -> Task) -> anyhow::Result<Task> {
    let mut given = false;
    while let Some(argument) = arguments.next()? {
        match argument {
            Long(long) if long == name => given = true,
            Short('h') | Long("help") => return Ok(Task::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(task(given))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Task, String> {
        let words = line.split_whitespace().map(OsString::from);
        parse(words).map_err(|error| error.to_string())
    }

    #[test]
    fn each_command_is_read_with_its_options() {
        let built = |build| Ok(Task::Build(build));
        let lean = Build {
            dist: true,
            lean: true,
            ..Build::default()
        };
        let package = Package {
            form: Form::Azure,
            functions: Some("writer,reader".to_owned()),
            arch: Some(Arch::Aarch64),
            for_tests: false,
        };
        let dist = Build {
            dist: true,
            features: Some("postgres".to_owned()),
            wasi: true,
            ..Build::default()
        };
        for (line, task) in [
            ("", Ok(Task::Help)),
            ("--help", Ok(Task::Help)),
            ("test --help", Ok(Task::Help)),
            ("build", built(Build::default())),
            ("build --dist --features=postgres --wasi", built(dist)),
            ("build --dist --lean", built(lean)),
            (
                "package azure --functions writer,reader --arch aarch64",
                Ok(Task::Package(package)),
            ),
            (
                "demo --seed 7 --help",
                Ok(Task::Demo(
                    ["--seed", "7", "--help"].map(OsString::from).into(),
                )),
            ),
            ("demo --clouds", Ok(Task::DemoOfClouds)),
            ("test", Ok(Task::Test(Tests::default()))),
            (
                "test --clouds",
                Ok(Task::Test(Tests {
                    clouds: true,
                    ..Tests::default()
                })),
            ),
            (
                "test --only a_name",
                Ok(Task::Test(Tests {
                    only: Some("a_name".to_owned()),
                    ..Tests::default()
                })),
            ),
            ("bench --quick", Ok(Task::Bench { quick: true })),
            ("generate", Ok(Task::Generate)),
            ("guard", Ok(Task::Guard { write: false })),
        ] {
            assert_eq!(parsed(line), task, "{line}");
        }
    }

    #[test]
    fn a_slip_is_refused_and_named() {
        for (line, named) in [
            ("biuld", "biuld"),
            ("build --dits", "--dits"),
            ("build --dist --components-only", "--components-only"),
            ("build --features postgres", "--dist"),
            ("build --lean", "--dist"),
            ("package", "aws"),
            ("package ibm", "ibm"),
            ("package", "kubernetes"),
            ("package oci --arch sparc", "sparc"),
            ("package aws gcp", "gcp"),
            ("test a_name", "a_name"),
            ("test --only", "--only"),
            ("generate --quick", "--quick"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(named), "{line}: {error}");
        }
    }
}

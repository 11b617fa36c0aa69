//! Compares the table of rules in tests/README.md with the tests: every test is listed, and every listed test exists.

use std::{fs, path::Path};

use anyhow::{Context, bail};

use crate::layout::Layout;

/// The folders with tests, or with code that has tests beside it.
const SOURCES: [&str; 4] = ["tests", "core", "components", "host"];

/// Compares the two.
fn run(layout: &Layout) -> anyhow::Result<()> {
    let tests = layout.root.join("tests");
    let table = fs::read_to_string(tests.join("README.md")).context("tests/README.md")?;
    let mut code = String::new();
    read_all(&tests, &mut code)?;
    let missing: Vec<_> = names_of_tests(&code)
        .filter(|name| !table.contains(&format!("`{name}`")))
        .collect();
    if !missing.is_empty() {
        bail!("tests/README.md does not list {}", missing.join(", "));
    }
    for folder in SOURCES.iter().filter(|folder| **folder != "tests") {
        read_all(&layout.root.join(folder), &mut code)?;
    }
    let gone: Vec<_> = names_in(&table)
        .filter(|name| !code.contains(&format!("fn {name}(")))
        .collect();
    if !gone.is_empty() {
        bail!(
            "tests/README.md lists tests that do not exist: {}",
            gone.join(", ")
        );
    }
    Ok(())
}

/// The functions that have the attribute `#[test]` or `#[tokio::test]`.
fn names_of_tests(code: &str) -> impl Iterator<Item = &str> {
    let mut marked = false;
    code.lines().filter_map(move |line| {
        let line = line.trim_start();
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        }
        let (_, rest) = line.split_once("fn ")?;
        let name = rest.split_once('(')?.0;
        // A name that begins with `$` is a macro's variable.
        (std::mem::take(&mut marked) && !name.starts_with('$')).then_some(name)
    })
}

/// The names of tests in the table: lower-case words with at least two underscores, in backticks.
fn names_in(table: &str) -> impl Iterator<Item = &str> {
    let lower = |name: &&str| {
        name.chars()
            .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'))
    };
    let code = table.split('`').skip(1).step_by(2);
    code.filter(lower)
        .filter(|name| name.matches('_').count() > 1)
}

/// Appends all Rust files below a folder.
fn read_all(folder: &Path, code: &mut String) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    for entry in entries {
        let path = entry.context("cannot list a folder")?.path();
        if path.is_dir() {
            read_all(&path, code)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
            code.push_str(&text);
            code.push('\n');
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_by_their_attribute() {
        let code = "#[test]\nfn one() {}\n#[tokio::test(start_paused = true)]\nasync fn two() {}\nfn helper() {}\n\
                    #[test]\nfn $three() {}";
        assert_eq!(names_of_tests(code).collect::<Vec<_>>(), ["one", "two"]);
    }

    #[test]
    fn names_in_the_table_are_told_from_other_code() {
        let table =
            "| `a_rule_is_kept` (a.rs), `twin data` | `Retry-After`, `retry_max`, `kept_by_all` |";
        assert_eq!(
            names_in(table).collect::<Vec<_>>(),
            ["a_rule_is_kept", "kept_by_all"]
        );
    }

    #[test]
    fn every_test_is_listed_and_every_listed_test_exists() {
        let layout = Layout::find().expect("the project's folder");
        run(&layout).expect("tests/README.md as it should be");
    }
}

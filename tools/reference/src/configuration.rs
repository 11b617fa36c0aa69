//! `docs/configuration.md`: the variables of `twin serve`.

use std::fmt::Write as _;

use crate::{GENERATED, cell};

/// Variables that belong together.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its heading.
    pub title: String,
    /// Its variables.
    pub variables: Vec<Variable>,
}

/// A variable as it is shown.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its default in words; a value is in backticks.
    pub default: String,
    /// The accepted values.
    pub values: String,
    /// The unit of its number; empty if it has no unit.
    pub unit: String,
    /// Whether it is never shown.
    pub secret: bool,
    /// What it is for.
    pub help: String,
}

/// The page.
pub fn markdown(groups: &[Group]) -> String {
    let mut page = format!(
        "# Configuration\n\n<!-- {GENERATED} -->\n\n\
         `twin serve` is configured by environment variables, which `twin serve --help` lists as well. An empty value counts as\n\
         not set. A value that a variable does not take, an unknown name that begins with `TWIN_`, `RETRY_` or `CIRCUIT_`, and an\n\
         unknown `REMOTE_…_URL`, `_TOKEN`, `_CLOUD`, `_AUTH` or `_AUDIENCE` stop the start with one line that names the variable.\n\n\
         A secret is shown nowhere: not in logs, errors or metrics. On Spin the variables have the same names in lower case; see\n\
         [spin.md](spin.md).\n"
    );
    for group in groups {
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "\n## {}\n\n| variable | default | values | unit | secret | what it does |\n|---|---|---|---|---|---|\n",
            group.title
        );
        for variable in &group.variables {
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} | {} | {} |",
                variable.name,
                cell(&variable.default),
                cell(&variable.values),
                variable.unit,
                if variable.secret { "yes" } else { "" },
                cell(&variable.help)
            );
        }
    }
    page
}

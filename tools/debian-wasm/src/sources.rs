//! Reads the machine's apt sources and writes only Debian's own again, so that mirrors keep working.

use std::{fs, path::Path};

use anyhow::bail;

/// One source of packages, with the fields of apt's newer format.
#[derive(Clone, Debug, Default, PartialEq)]
struct Source {
    uris: String,
    suites: Vec<String>,
    /// Verbatim: a path, or a whole key in several lines.
    signed_by: Option<String>,
}

/// Debian's sources of this release as configured on the machine, and if wanted the backports from the same mirror.
pub(super) fn of_machine(codename: &str, backports: bool) -> anyhow::Result<String> {
    let mut found = Vec::new();
    read(Path::new("/etc/apt/sources.list"), &mut found);
    if let Ok(parts) = fs::read_dir("/etc/apt/sources.list.d") {
        for part in parts.flatten() {
            read(&part.path(), &mut found);
        }
    }
    let chosen = choose(found, codename, backports);
    if chosen.is_empty() {
        bail!("/etc/apt has no source for {codename}");
    }
    Ok(chosen.iter().map(write).collect())
}

/// A file that cannot be read adds nothing, as with apt.
fn read(path: &Path, found: &mut Vec<Source>) {
    let Ok(text) = fs::read_to_string(path) else {
        return;
    };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("list") => found.extend(text.lines().filter_map(one_line)),
        Some("sources") => found.extend(stanzas(&text)),
        _ => {}
    }
}

/// `deb [signed-by=/path other=x] URI suite component…`
fn one_line(line: &str) -> Option<Source> {
    let mut rest = line.trim().strip_prefix("deb")?;
    if !rest.starts_with([' ', '\t', '[']) {
        return None; // deb-src
    }
    rest = rest.trim_start();
    let mut signed_by = None;
    if let Some(options) = rest.strip_prefix('[') {
        let (options, after) = options.split_once(']')?;
        signed_by = options
            .split_whitespace()
            .find_map(|option| option.strip_prefix("signed-by="))
            .map(|keys| keys.replace(',', " "));
        rest = after;
    }
    let mut words = rest.split_whitespace();
    let (uri, suite) = (words.next()?, words.next()?);
    Some(Source {
        uris: uri.to_owned(),
        suites: vec![suite.to_owned()],
        signed_by,
    })
}

/// `Types: deb`, `URIs: …`, `Suites: …`: sources separated by empty lines.
fn stanzas(text: &str) -> Vec<Source> {
    let mut all = Vec::new();
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for stanza in lines.split(|line| line.trim().is_empty()) {
        let field = |name: &str| field(stanza, name);
        let words = |name: &str| -> Vec<String> {
            let value = field(name).unwrap_or_default();
            value.split_whitespace().map(str::to_owned).collect()
        };
        let off = ["no", "false", "0", "off"];
        let disabled = field("Enabled").is_some_and(|value| off.contains(&value.trim()));
        if !disabled && words("Types").iter().any(|kind| kind == "deb") {
            all.push(Source {
                uris: words("URIs").join(" "),
                suites: words("Suites"),
                signed_by: field("Signed-By"),
            });
        }
    }
    all
}

/// A field's value with the lines that continue it.
fn field(stanza: &[&str], name: &str) -> Option<String> {
    let mut lines = stanza.iter();
    let first = lines.find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })?;
    let mut value = first.to_owned();
    for more in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        value.push('\n');
        value.push_str(more);
    }
    Some(value)
}

/// Selects only this release and its updates: other sources may be broken, and have nothing that is needed here.
fn choose(found: Vec<Source>, codename: &str, backports: bool) -> Vec<Source> {
    let own = ["", "-security", "-updates"].map(|suffix| format!("{codename}{suffix}"));
    let mut chosen = Vec::new();
    for mut source in found {
        if backports && source.suites.iter().any(|suite| suite == codename) {
            let mut same_mirror = source.clone();
            same_mirror.suites = vec![format!("{codename}-backports")];
            chosen.push(same_mirror);
        }
        source.suites.retain(|suite| own.contains(suite));
        if !source.suites.is_empty() {
            chosen.push(source);
        }
    }
    chosen
}

fn write(source: &Source) -> String {
    let mut text = format!(
        "Types: deb\nURIs: {}\nSuites: {}\nComponents: main\n",
        source.uris,
        source.suites.join(" ")
    );
    if let Some(keys) = &source.signed_by {
        text.push_str("Signed-By: ");
        text.push_str(keys);
        text.push('\n');
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_format_is_read() {
        let source =
            one_line("deb [arch=amd64 signed-by=/k/a.gpg] http://mirror.test/debian bookworm main");
        let expected = Source {
            uris: "http://mirror.test/debian".to_owned(),
            suites: vec!["bookworm".to_owned()],
            signed_by: Some("/k/a.gpg".to_owned()),
        };
        assert_eq!(source, Some(expected));
        for other in [
            "# deb http://x bookworm main",
            "deb-src http://x bookworm main",
            "",
        ] {
            assert_eq!(one_line(other), None, "{other}");
        }
    }

    #[test]
    fn the_new_format_is_read_with_its_keys() {
        let text = "# a comment\nTypes: deb deb-src\nuris: http://mirror.test/debian\n# why\nSuites: bookworm x\n\
                    Signed-By:\n -----BEGIN-----\n .\n -----END-----\nComponents: main\n\n\
                    Enabled: no\nTypes: deb\nURIs: http://off.test\nSuites: bookworm\n";
        let chosen = choose(stanzas(text), "bookworm", true);
        let written: String = chosen.iter().map(write).collect();
        let keys = "Signed-By: \n -----BEGIN-----\n .\n -----END-----\n\n";
        let head = "Types: deb\nURIs: http://mirror.test/debian\nSuites: bookworm";
        let expected =
            format!("{head}-backports\nComponents: main\n{keys}{head}\nComponents: main\n{keys}");
        assert_eq!(written, expected);
    }

    #[test]
    fn strangers_are_left_out() {
        let stranger = one_line("deb https://packages.test/apt cloud-bookworm main");
        assert!(choose(stranger.into_iter().collect(), "bookworm", true).is_empty());
    }
}

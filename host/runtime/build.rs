//! Reads from the WIT which interfaces each function's world imports, so that `wit/worlds.wit` is enforced without being parsed at each
//! start: a function of a cloud starts often, and its program is small.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

use wit_parser::{Resolve, WorldItem, WorldKey};

fn main() -> Result<(), Box<dyn Error>> {
    let wit = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../wit");
    println!("cargo::rerun-if-changed={}", wit.display());
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(&wit)
        .map_err(|error| format!("{}: {error:#}", wit.display()))?;
    let package = resolve.packages.get(package).ok_or("no package")?;
    let mut text = String::from("const GRANTED: &[(&str, &[(&str, &str)])] = &[\n");
    for (name, world) in &package.worlds {
        let world = resolve.worlds.get(*world).ok_or("no world")?;
        writeln!(text, "    ({name:?}, &[")?;
        for (key, item) in &world.imports {
            if let (WorldKey::Interface(id), WorldItem::Interface { .. }) = (key, item) {
                let interface = resolve.interfaces.get(*id).ok_or("no interface")?;
                let name = resolve.id_of(*id).ok_or("an interface without a name")?;
                let words = first_sentence(interface.docs.contents.as_deref());
                writeln!(text, "        ({name:?}, {words:?}),")?;
            }
        }
        text.push_str("    ]),\n");
    }
    text.push_str("];\n");
    let file = Path::new(&env::var("OUT_DIR")?).join("granted.rs");
    fs::write(file, text)?;
    Ok(())
}

fn first_sentence(docs: Option<&str>) -> String {
    let text = docs.unwrap_or_default().replace('\n', " ");
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text,
    }
}

//! Removes from a component what no runtime reads: the names of its parts. The linker strips the program inside, but then
//! adds names for everything that it wraps around it.

use anyhow::{Context, bail};

/// `\0asm`, the version and the layer.
const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";
/// The number of a custom section.
const CUSTOM: u8 = 0;

/// The component without its own custom sections. Those of the modules inside are kept.
pub(crate) fn custom_sections(component: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut rest = component.strip_prefix(HEADER).context("not a component")?;
    let mut stripped = HEADER.to_vec();
    while let Some((id, after)) = rest.split_first() {
        let (length, content) = length(after)?;
        let end = rest.len() - content.len() + length;
        let (section, next) = rest.split_at_checked(end).context("a section has no end")?;
        if *id != CUSTOM {
            stripped.extend_from_slice(section);
        }
        rest = next;
    }
    Ok(stripped)
}

/// A length in LEB128, and the bytes after it.
fn length(bytes: &[u8]) -> anyhow::Result<(usize, &[u8])> {
    let mut length = 0;
    let mut rest = bytes;
    // A length has 32 bits, seven in each byte.
    for shift in (0..32).step_by(7) {
        let (byte, after) = rest.split_first().context("a section has no length")?;
        length |= usize::from(byte & 0x7f) << shift;
        rest = after;
        if byte & 0x80 == 0 {
            return Ok((length, rest));
        }
    }
    bail!("a section's length is not a number of 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_components_own_custom_sections_go() {
        let module = "(core module (@custom \"inner\" \"kept\") (memory 1) (data (i32.const 0) \"0123456789\"))";
        let many = module.repeat(20);
        let bare = wat::parse_str(format!("(component {module} (component {many}))")).unwrap();
        let named = format!(
            "(component (@custom \"a\" \"x\") {module} (component {many}) (@custom \"b\" \"{}\"))",
            "y".repeat(300)
        );
        let named = wat::parse_str(named).unwrap();
        assert!(named.len() > bare.len() + 300);
        assert_eq!(custom_sections(&named).unwrap(), bare);
        assert_eq!(custom_sections(&bare).unwrap(), bare);
        assert!(custom_sections(b"\0asm").is_err());
        // A module is not a component.
        assert!(custom_sections(b"\0asm\x01\0\0\0").is_err());
        // Sections that are longer than the file, or whose length is missing or too long.
        for broken in [&b"\x01\x7f"[..], b"\x01", b"\x01\xff\xff\xff\xff\xff\x01"] {
            assert!(custom_sections(&[HEADER, broken].concat()).is_err());
        }
    }
}

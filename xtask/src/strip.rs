//! Takes out of a component what no runtime reads: the names of its parts. The linker strips the
//! program inside, and then names everything that it wraps around it.

use anyhow::Context;
use wasmparser::Parser;

/// `\0asm`, the version and the layer.
const HEADER: usize = 8;
/// The number of a custom section.
const CUSTOM: u8 = 0;

/// The component without its own custom sections. Those of the modules inside stay.
pub(crate) fn custom_sections(component: &[u8]) -> anyhow::Result<Vec<u8>> {
    let header = component.get(..HEADER).context("not a component")?;
    let mut stripped = header.to_vec();
    // Where what was copied last ends; what lies inside it comes again, part by part.
    let mut copied = HEADER;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.context("not a component")?;
        let Some((id, range)) = payload.as_section() else {
            continue;
        };
        if range.start < copied {
            continue;
        }
        copied = range.end;
        if id == CUSTOM {
            continue;
        }
        let content = component.get(range).context("a section has no end")?;
        stripped.push(id);
        push_length(&mut stripped, content.len());
        stripped.extend_from_slice(content);
    }
    Ok(stripped)
}

/// LEB128.
fn push_length(out: &mut Vec<u8>, mut length: usize) {
    loop {
        // Seven bits.
        let bits = (length & 0x7f) as u8;
        length >>= 7;
        if length == 0 {
            return out.push(bits);
        }
        out.push(bits | 0x80);
    }
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
        assert!(custom_sections(b"\0asm\x0d\0\x01\0\x01\x7f").is_err());
    }
}

//! The linear memories of a running host's instances, as the kernel shows them to the host's parent.
//!
//! Wasmtime maps the initial content of a memory from the file with the component's machine code, copy on write. Stack and
//! heap are directly before and after it, and nothing between two memories can be read. So a memory is a run of writable
//! mappings that includes such a file, whose name begins with the component's digest.

use std::{
    fs::{self, File},
    ops::Range,
    os::unix::fs::FileExt,
    path::Path,
};

/// The suffix of files with machine code.
const CODE: &str = ".cwasm";

/// The memory of each instance of a component, from its first byte to its last. `component` is its SHA-256 in lower-case hex.
pub(crate) fn of(pid: u32, component: &str) -> Vec<Vec<u8>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("the host runs");
    let process = File::open(format!("/proc/{pid}/mem")).expect("a parent may read it");
    let read = |(range, _): (Range<u64>, String)| {
        let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap()];
        let read = process.read_exact_at(&mut bytes, range.start);
        read.expect("a mapping can be read");
        bytes
    };
    let runs = runs(&maps).into_iter();
    runs.filter(|(_, of)| of == component).map(read).collect()
}

/// The runs of writable mappings that include a file with machine code, and the digest in the file's name.
fn runs(maps: &str) -> Vec<(Range<u64>, String)> {
    let mut runs: Vec<(Range<u64>, Option<String>)> = Vec::new();
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        if !rest.starts_with("rw-p") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
        let component = component(rest);
        match runs.last_mut() {
            Some((before, known)) if before.end == start => {
                before.end = end;
                *known = known.take().or(component);
            }
            _ => runs.push((start..end, component)),
        }
    }
    let of_components = runs.into_iter();
    of_components
        .filter_map(|(range, component)| Some((range, component?)))
        .collect()
}

fn component(mapping: &str) -> Option<String> {
    let path = mapping.split_once('/')?.1;
    let name = Path::new(path).file_name()?.to_str()?;
    let (digest, _) = name.strip_suffix(CODE)?.split_once('-')?;
    Some(digest.to_owned())
}

#[test]
fn a_memory_is_one_run_of_writable_mappings_around_its_components_file() {
    let maps = "\
10000-20000 rw-p 00000000 00:00 0 
20000-30000 ---p 00000000 00:00 0 
30000-40000 rw-p 00000000 00:00 0 
40000-50000 rw-p 000a2000 fe:00 7                    /some cache/a1-0.1.0-c.cwasm
50000-60000 rw-p 00000000 00:00 0 
60000-70000 ---p 00000000 00:00 0 
70000-80000 rw-p 000a2000 fe:00 8                    /some cache/b2-0.1.0-c.cwasm
80000-90000 r-xp 00001000 fe:00 8                    /some cache/b2-0.1.0-c.cwasm
90000-a0000 rw-p 00001000 fe:00 9                    /usr/lib/libc.so
";
    let expected = [
        (0x30000..0x60000, "a1".to_owned()),
        (0x70000..0x80000, "b2".to_owned()),
    ];
    assert_eq!(runs(maps), expected);
}

//! The linear memories of a running host's instances, as the kernel shows them to the host's parent.
//!
//! Wasmtime maps the initial content of each memory from a file of this name, copy on write, and what the instance allocates follows it
//! without a gap; between two memories nothing can be read. So a memory is one run of writable mappings with the file in it.

use std::{
    fs::{self, File},
    ops::Range,
    os::unix::fs::FileExt,
};

const IMAGE: &str = "wasm-memory-image";

/// All of them, each from its first byte to its last.
pub(crate) fn of(pid: u32) -> Vec<Vec<u8>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("the host runs");
    let process = File::open(format!("/proc/{pid}/mem")).expect("a parent may read it");
    let read = |range: Range<u64>| {
        let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap()];
        let read = process.read_exact_at(&mut bytes, range.start);
        read.expect("a mapping can be read");
        bytes
    };
    runs(&maps).into_iter().map(read).collect()
}

/// The runs of writable mappings in which there is an image.
fn runs(maps: &str) -> Vec<Range<u64>> {
    let mut runs: Vec<(Range<u64>, bool)> = Vec::new();
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        if !rest.starts_with("rw-p") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
        let image = rest.contains(IMAGE);
        match runs.last_mut() {
            Some((before, has_image)) if before.end == start => {
                before.end = end;
                *has_image |= image;
            }
            _ => runs.push((start..end, image)),
        }
    }
    let with_image = runs.into_iter().filter(|(_, image)| *image);
    with_image.map(|(range, _)| range).collect()
}

#[test]
fn a_memory_is_one_run_of_writable_mappings_around_its_image() {
    let maps = "\
10000-20000 rw-p 00000000 00:00 0 
20000-30000 ---p 00000000 00:00 0 
30000-40000 rw-p 00000000 00:00 0 
40000-50000 rw-p 00000000 00:01 7 /memfd:wasm-memory-image (deleted)
50000-60000 rw-p 00000000 00:00 0 
60000-70000 ---p 00000000 00:00 0 
70000-80000 rw-p 00000000 00:01 8 /memfd:wasm-memory-image (deleted)
80000-90000 r--p 00000000 00:01 9 /usr/lib/libc.so
";
    assert_eq!(runs(maps), [0x30000..0x60000, 0x70000..0x80000]);
}

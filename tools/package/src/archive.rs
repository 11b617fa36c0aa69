//! Archives whose bytes depend on their files only: in the order of the paths, without times, users and paths of this machine.

use std::{
    collections::BTreeSet,
    io::{self, Cursor, Write},
};

use anyhow::Context;
use flate2::{Compression, GzBuilder};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use crate::files::Files;

/// A zip file.
pub(crate) fn zip(files: &Files) -> anyhow::Result<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, file) in files.iter() {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9))
            .last_modified_time(DateTime::default())
            .unix_permissions(file.mode());
        writer.start_file(path, options).context(path.to_owned())?;
        writer.write_all(&file.bytes).context(path.to_owned())?;
    }
    Ok(writer.finish().context("the zip file")?.into_inner())
}

/// A tar file with all folders that the files are in, owned by root.
pub(crate) fn tar(files: &Files) -> anyhow::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut folders = BTreeSet::new();
    for (path, file) in files.iter() {
        for (end, _) in path.match_indices('/') {
            let (folder, _) = path.split_at(end + 1);
            if folders.insert(folder) {
                let mut header = header(tar::EntryType::Directory, 0o755, 0);
                builder.append_data(&mut header, folder, io::empty())?;
            }
        }
        let size = u64::try_from(file.bytes.len())?;
        let mut header = header(tar::EntryType::Regular, file.mode(), size);
        builder.append_data(&mut header, path, file.bytes.as_slice())?;
    }
    builder.into_inner().context("the tar file")
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

/// The bytes, compressed, without a time or name.
pub(crate) fn gzip(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish().context("the compressed layer")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn files() -> Files {
        let mut files = Files::default();
        files.add("components/writer.cwasm", vec![7; 10_000]);
        files.add_program("bootstrap", "program");
        files.add("components/precompiled.json", "{}");
        files
    }

    #[test]
    fn a_zip_has_all_files_with_their_permissions_and_is_the_same_each_time() {
        let bytes = zip(&files()).unwrap();
        assert_eq!(zip(&files()).unwrap(), bytes);
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let names: Vec<_> = archive
            .file_names()
            .map(|name| name.unwrap().into_owned())
            .collect();
        assert_eq!(
            names,
            [
                "bootstrap",
                "components/precompiled.json",
                "components/writer.cwasm"
            ]
        );
        let mut program = archive.by_name("bootstrap").unwrap();
        assert_eq!(program.unix_mode().unwrap() & 0o777, 0o755);
        let mut content = String::new();
        program.read_to_string(&mut content).unwrap();
        assert_eq!(content, "program");
        drop(program);
        let writer = archive.by_name("components/writer.cwasm").unwrap();
        assert_eq!(writer.unix_mode().unwrap() & 0o777, 0o644);
        assert!(writer.compressed_size() < 1_000);
    }

    #[test]
    fn a_tar_has_folders_before_files_and_is_the_same_each_time() {
        let bytes = tar(&files()).unwrap();
        assert_eq!(tar(&files()).unwrap(), bytes);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entries: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                assert_eq!(header.mtime().unwrap(), 0);
                assert_eq!(header.uid().unwrap(), 0);
                let path = entry.path().unwrap().to_string_lossy().into_owned();
                (path, header.mode().unwrap())
            })
            .collect();
        let entries: Vec<_> = entries
            .iter()
            .map(|(path, mode)| (path.as_str(), *mode))
            .collect();
        assert_eq!(
            entries,
            [
                ("bootstrap", 0o755),
                ("components/", 0o755),
                ("components/precompiled.json", 0o644),
                ("components/writer.cwasm", 0o644),
            ]
        );
    }

    #[test]
    fn what_is_compressed_is_the_same_each_time() {
        let first = gzip(b"abc").unwrap();
        assert_eq!(gzip(b"abc").unwrap(), first);
        let mut text = String::new();
        flate2::read::GzDecoder::new(first.as_slice())
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "abc");
    }
}

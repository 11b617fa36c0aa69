//! The preopened folder: files appear completely or not at all, and are durable once they have appeared.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashSet,
    rc::Rc,
};

use twin_adapter::{Failure, clock, twin_name};
use wasip3::{
    filesystem::{
        preopens::get_directories,
        types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags},
    },
    wit_bindgen::StreamResult,
    wit_stream,
};

use crate::Adapter;

/// The name under which the data folder is preopened.
const NAME: &str = "/data";
const CHUNK: usize = 64 * 1024;

thread_local! {
    static ROOT: OnceCell<Rc<Descriptor>> = const { OnceCell::new() };
    /// Folders that are known to exist.
    static MADE: RefCell<HashSet<String>> = RefCell::default();
}

/// The twin's folder.
pub(crate) struct Folder {
    root: Rc<Descriptor>,
    twin: String,
}

impl Folder {
    /// Opens it.
    pub(crate) async fn open() -> Result<Self, Failure> {
        let root = ROOT.with(|root| {
            if let Some(known) = root.get() {
                return Some(Rc::clone(known));
            }
            let mut folders = get_directories().into_iter();
            let found = folders.find(|(_, name)| name == NAME)?;
            Some(Rc::clone(root.get_or_init(|| Rc::new(found.0))))
        });
        let root =
            root.ok_or_else(|| Failure::Unavailable(format!("no folder is preopened as {NAME}")))?;
        // A suffix, because a twin may be called `..`.
        let twin = format!("{}.twin", twin_name::<Adapter>().await?);
        Ok(Self { root, twin })
    }

    /// Creates a file with this content, durably. False if a file with this name exists, which stays unchanged.
    pub(crate) async fn create(
        &self,
        folder: &str,
        name: &str,
        content: Vec<u8>,
    ) -> Result<bool, Failure> {
        self.make(folder).await?;
        self.make("tmp").await?;
        let temporary = self.path("tmp", &clock::unique());
        let flags = OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        let opened = self
            .root
            .open_at(
                PathFlags::empty(),
                temporary.clone(),
                flags,
                DescriptorFlags::WRITE,
            )
            .await;
        let created = match opened {
            Ok(file) => match write(&file, content).await {
                Ok(()) => self.name_it(&temporary, folder, name).await,
                Err(code) => Err(failure(code)),
            },
            Err(code) => Err(failure(code)),
        };
        // A file that a crash leaves here does no harm.
        let _ = self.root.unlink_file_at(temporary).await;
        created
    }

    /// Gives a file an additional name, durably. False if that name is in use.
    pub(crate) async fn link(
        &self,
        (from, old): (&str, &str),
        (to, new): (&str, &str),
    ) -> Result<bool, Failure> {
        self.make(to).await?;
        self.name_it(&self.path(from, old), to, new).await
    }

    /// A file's content; `None` if the file does not exist.
    pub(crate) async fn read(&self, folder: &str, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.path(folder, name);
        let (no, read) = (PathFlags::empty(), DescriptorFlags::READ);
        let file = match self.root.open_at(no, path, OpenFlags::empty(), read).await {
            Ok(file) => file,
            Err(ErrorCode::NoEntry) => return Ok(None),
            Err(code) => return Err(failure(code)),
        };
        let (mut stream, done) = file.read_via_stream(0);
        let mut content = Vec::new();
        loop {
            let (status, chunk) = stream.read(Vec::with_capacity(CHUNK)).await;
            content.extend_from_slice(&chunk);
            if !matches!(status, StreamResult::Complete(_)) {
                break;
            }
        }
        drop(stream);
        done.await.map_err(failure)?;
        Ok(Some(content))
    }

    /// The names in a folder, sorted; empty if the folder does not exist.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<String>, Failure> {
        let Some(descriptor) = self.descriptor(folder).await? else {
            return Ok(Vec::new());
        };
        let (entries, done) = descriptor.read_directory();
        let entries = entries.collect().await;
        done.await.map_err(failure)?;
        let mut names: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Removes a file durably. False if it does not exist.
    pub(crate) async fn remove(&self, folder: &str, name: &str) -> Result<bool, Failure> {
        match self.root.unlink_file_at(self.path(folder, name)).await {
            Ok(()) => self.sync(folder).await.map(|()| true),
            Err(ErrorCode::NoEntry) => Ok(false),
            Err(code) => Err(failure(code)),
        }
    }

    /// Removes a folder with the files in it. Succeeds if another process is also removing it.
    pub(crate) async fn remove_folder(&self, folder: &str) -> Result<(), Failure> {
        for name in self.list(folder).await? {
            self.remove(folder, &name).await?;
        }
        MADE.with_borrow_mut(|made| made.remove(folder));
        match self.root.remove_directory_at(self.path(folder, "")).await {
            Ok(()) | Err(ErrorCode::NoEntry | ErrorCode::NotEmpty) => Ok(()),
            Err(code) => Err(failure(code)),
        }
    }

    /// Creates a folder and its parents if they do not exist.
    async fn make(&self, folder: &str) -> Result<(), Failure> {
        if MADE.with_borrow(|made| made.contains(folder)) {
            return Ok(());
        }
        let whole = self.path(folder, "");
        let ends = whole.match_indices('/').map(|(end, _)| end);
        for end in ends.chain([whole.len()]) {
            let path = whole.get(..end).unwrap_or_default();
            match self.root.create_directory_at(path.to_owned()).await {
                // A new folder is durable when its parent is.
                Ok(()) => {
                    let parent = path.rsplit_once('/').map_or(".", |(parent, _)| parent);
                    self.sync_path(parent).await?;
                }
                Err(ErrorCode::Exist) => {}
                Err(code) => return Err(failure(code)),
            }
        }
        MADE.with_borrow_mut(|made| made.insert(folder.to_owned()));
        Ok(())
    }

    async fn name_it(&self, path: &str, folder: &str, name: &str) -> Result<bool, Failure> {
        let new = self.path(folder, name);
        let (no, old) = (PathFlags::empty(), path.to_owned());
        match self.root.link_at(no, old, &self.root, new).await {
            Ok(()) => self.sync(folder).await.map(|()| true),
            Err(ErrorCode::Exist) => Ok(false),
            Err(code) => {
                // Another process may have removed the folder, which existed before.
                MADE.with_borrow_mut(|made| made.remove(folder));
                Err(failure(code))
            }
        }
    }

    async fn sync(&self, folder: &str) -> Result<(), Failure> {
        self.sync_path(&self.path(folder, "")).await
    }

    async fn sync_path(&self, path: &str) -> Result<(), Failure> {
        match self.open_folder(path).await? {
            Some(folder) => folder.sync().await.map_err(failure),
            None => Ok(()),
        }
    }

    async fn descriptor(&self, folder: &str) -> Result<Option<Descriptor>, Failure> {
        self.open_folder(&self.path(folder, "")).await
    }

    async fn open_folder(&self, path: &str) -> Result<Option<Descriptor>, Failure> {
        let (no, open) = (PathFlags::empty(), OpenFlags::DIRECTORY);
        let path = path.to_owned();
        match self
            .root
            .open_at(no, path, open, DescriptorFlags::READ)
            .await
        {
            Ok(folder) => Ok(Some(folder)),
            Err(ErrorCode::NoEntry) => Ok(None),
            Err(code) => Err(failure(code)),
        }
    }

    /// The path of a file, or of the folder if the name is empty.
    fn path(&self, folder: &str, name: &str) -> String {
        let path = format!("{}/{folder}/{name}", self.twin);
        path.trim_end_matches('/').to_owned()
    }
}

async fn write(file: &Descriptor, content: Vec<u8>) -> Result<(), ErrorCode> {
    let (mut writer, stream) = wit_stream::new();
    let done = file.write_via_stream(stream, 0);
    writer.write_all(content).await;
    drop(writer);
    done.await?;
    file.sync().await
}

/// A failure of the file system as the failure of a store.
fn failure(code: ErrorCode) -> Failure {
    use ErrorCode as Code;
    match code {
        Code::Access | Code::NotPermitted | Code::ReadOnly => {
            Failure::Misconfigured(format!("the folder cannot be used: {code:?}"))
        }
        Code::FileTooLarge => Failure::TooLarge,
        Code::InsufficientSpace | Code::Quota => Failure::Full,
        Code::Busy
        | Code::Deadlock
        | Code::InsufficientMemory
        | Code::Interrupted
        | Code::Io
        | Code::NoEntry => Failure::Unavailable(format!("the data folder: {code:?}")),
        other => Failure::Other(format!("the data folder: {other:?}")),
    }
}

//! A value with compare-and-swap: one file per version. Creating the file of the next version is the swap.

use twin_adapter::Failure;

use crate::{folder::Folder, names};

/// The number of versions that are kept. A swap that is further behind is detected below.
const KEPT: u64 = 16;

/// The versions of one value, in its own folder.
pub(crate) struct Versions<'a> {
    /// The twin's folder.
    pub(crate) folder: &'a Folder,
    /// The value's folder.
    pub(crate) path: String,
}

impl Versions<'_> {
    /// The latest version and its content; version 0 without content if there is none.
    pub(crate) async fn latest(&self) -> Result<(u64, Vec<u8>), Failure> {
        loop {
            let Some(latest) = self.numbers().await?.last().copied() else {
                return Ok((0, Vec::new()));
            };
            // If it is missing, it was removed because many versions have been stored since: look again.
            if let Some(content) = self.folder.read(&self.path, &names::number(latest)).await? {
                return Ok((latest, content));
            }
        }
    }

    /// Stores the content as the version after `expected`. False if that version exists.
    pub(crate) async fn swap(&self, expected: u64, content: Vec<u8>) -> Result<bool, Failure> {
        let next = expected.saturating_add(1);
        let name = names::number(next);
        if !self.folder.create(&self.path, &name, content).await? {
            return Ok(false);
        }
        let numbers = self.numbers().await?;
        let latest = numbers.last().copied().unwrap_or(next);
        if latest >= next.saturating_add(KEPT) {
            // This version existed before and was removed because of its age: the file name was free, but the version is
            // outdated.
            self.folder.remove(&self.path, &name).await?;
            return Ok(false);
        }
        for old in numbers {
            if old.saturating_add(KEPT) < latest {
                self.folder.remove(&self.path, &names::number(old)).await?;
            }
        }
        Ok(true)
    }

    async fn numbers(&self) -> Result<Vec<u64>, Failure> {
        let names = self.folder.list(&self.path).await?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }
}

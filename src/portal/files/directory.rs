//! `DirectoryEntry`, and a listing of a directory, which is checked and bounded here.

use std::{collections::HashMap, mem, path::PathBuf};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_proto::v1::{self, FileAnswer};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, pin_mut};
use serde::{Deserialize, Serialize};
use tonic::Streaming;

use super::{answer::answers, target::path_of};
use crate::status::broken;

/// Most entries of one listing, and most bytes that it may take: a caller gets it as a whole.
const LISTED: usize = 1 << 20;
/// See [`LISTED`].
const LISTING: usize = 128 << 20;
/// What an entry takes besides its name.
const ENTRY: usize = 64;

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryEntry {
    /// The path below the directory that is listed: `a`, and in a recursive listing `a/b` too.
    pub path: PathBuf,
    /// The file type bits of its mode, as in `S_IFMT` of stat(2).
    pub file_type: u32,
}

impl From<v1::DirectoryEntry> for DirectoryEntry {
    fn from(entry: v1::DirectoryEntry) -> Self {
        Self { path: path_of(entry.name), file_type: entry.r#type }
    }
}

/// The entries of each message. Only the last message may have none.
fn batches(
    stream: Streaming<FileAnswer>,
) -> impl Stream<Item = BoxliteResult<Vec<v1::DirectoryEntry>>> + Send + 'static {
    let mut ended = false;
    answers("read directory", stream).map(move |batch| {
        let entries = batch?.entries;
        if mem::replace(&mut ended, entries.is_empty()) {
            return Err(broken("read directory", "a listing that goes on after its end"));
        }
        Ok(entries)
    })
}

/// The entries of each message, as a stream.
pub(super) fn listing(
    stream: Streaming<FileAnswer>,
) -> impl Stream<Item = BoxliteResult<Vec<DirectoryEntry>>> + Send + 'static {
    batches(stream).map_ok(|batch| batch.into_iter().map(DirectoryEntry::from).collect())
}

/// All entries, each directory sorted.
///
/// # Errors
///
/// `LISTING_TOO_LARGE` for more than a caller can be given as a whole.
pub(super) async fn whole(stream: Streaming<FileAnswer>) -> BoxliteResult<Vec<DirectoryEntry>> {
    let batches = batches(stream);
    pin_mut!(batches);
    let (mut entries, mut size) = (Vec::new(), 0);
    while let Some(batch) = batches.try_next().await? {
        size += batch.iter().map(|entry| ENTRY + entry.name.len()).sum::<usize>();
        if size > LISTING || entries.len() + batch.len() > LISTED {
            return Err(too_large());
        }
        entries.extend(batch);
    }
    Ok(in_order(entries).into_iter().map(DirectoryEntry::from).collect())
}

fn too_large() -> BoxliteError {
    let message = format!("readdir: there are more than {LISTED} entries, or {} MiB of them", LISTING >> 20);
    BoxliteError::new(ErrorCode::ListingTooLarge, message)
        .hint("list the folders of the tree one by one, or run `ls` or `find` in the box and read its output as a stream")
}

/// Sorts each directory, and puts the last of its directories first.
fn in_order(entries: Vec<v1::DirectoryEntry>) -> Vec<v1::DirectoryEntry> {
    let total = entries.len();
    let mut folders: HashMap<Bytes, Vec<v1::DirectoryEntry>> = HashMap::new();
    for entry in entries {
        let parent = entry.name.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        folders.entry(entry.name.slice(..parent)).or_default().push(entry);
    }
    let (mut sorted, mut waiting) = (Vec::with_capacity(total), vec![Bytes::new()]);
    while let Some(folder) = waiting.pop() {
        let Some(mut listed) = folders.remove(&folder) else { continue };
        listed.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        waiting
            .extend(listed.iter().filter(|entry| folders.contains_key(&entry.name)).map(|e| e.name.clone()));
        sorted.extend(listed);
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_come_in_node_s_order() {
        let entry = |name: &'static str, kind: u32| v1::DirectoryEntry { name: name.into(), r#type: kind };
        let folder = nix::libc::S_IFDIR;
        let listed = vec![
            entry("b", folder),
            entry("top", 0),
            entry("a", folder),
            entry("b/2", 0),
            entry("b/1", folder),
            entry("a/x", 0),
            entry("b/1/y", 0),
            entry("B", 0),
        ];
        let names: Vec<_> = in_order(listed).into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["B", "a", "b", "top", "b/1", "b/2", "b/1/y", "a/x"]);
    }
}

//! Contents as streams: reads a file for the host, and writes one. Called by the Files service.
//!
//! No thread is occupied between two chunks, and no chunk is read before the host has room for it, which is the back-pressure.

use std::{fs::File, path::Path, sync::Arc};

use boxlite_proto::v1::{FileAnswer, FileRequest};
use boxlite_wire::limits;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use nix::libc;

use super::{
    fault::{Call as _, Fault, Outcome},
    open_file::{open, read, write},
    path::path_of,
    pool::Files,
};
use crate::Result;

/// A file that is read chunk by chunk.
struct Reading {
    files: Files,
    request: FileRequest,
    file: Option<Arc<File>>,
    offset: Option<u64>,
    left: u64,
}

impl Files {
    /// Reads the bytes that `request` names. The last answer may be an error.
    pub fn read(&self, request: FileRequest) -> impl Stream<Item = Result<FileAnswer>> + Send + use<> {
        let offset = match request.handle {
            0 => Some(request.offset.unwrap_or(0)),
            _ => request.offset,
        };
        let left = request.length;
        let reading = Reading { files: self.clone(), request, file: None, offset, left };
        let answers = stream::try_unfold(reading, |mut reading| async {
            let data = reading.next().await?;
            Ok(data.map(|data| (FileAnswer { data: data.into(), ..FileAnswer::default() }, reading)))
        });
        answers.map(|answer| answer.or_else(Fault::answered))
    }
}

/// The open file that `request` names, or the one at its path, which is opened. `syscall` is what it is for.
fn file_of(files: &Files, request: &FileRequest, syscall: &str) -> Outcome<Arc<File>> {
    match request.handle {
        0 => open(path_of(&request.path), request.flags, request.mode).map(Arc::new),
        handle => files.handles().get(handle, syscall),
    }
}

impl Reading {
    /// The next bytes. Those of the first call are none if the host has requested to know when the file is open.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let (known, request) = (self.file.take(), self.request.clone());
        let opens_only = request.opened && known.is_none();
        let most = if opens_only { 0 } else { limits::FILE_CHUNK };
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(most);
        let (files, offset, user) = (self.files.clone(), self.offset, request.user.clone());
        let chunk = self.files.run_as(&user, move || {
            let file = known.map_or_else(|| file_of(&files, &request, "read"), Ok)?;
            let mut data = vec![0; length];
            let read = read_some(&file, offset, &mut data)?;
            data.truncate(read);
            Ok((file, data))
        });
        let (file, data) = chunk.await?;
        if data.is_empty() && !opens_only {
            return Ok(None);
        }
        self.file = Some(file);
        self.left -= data.len() as u64;
        self.offset = self.offset.map(|offset| offset + data.len() as u64);
        Ok(Some(data))
    }
}

/// Reads some bytes. Pipes and terminals have no positions, and are read in order.
fn read_some(file: &File, offset: Option<u64>, data: &mut [u8]) -> Outcome<usize> {
    match read(file, offset, data) {
        Err(error) if error.raw_os_error() == Some(libc::ESPIPE) => read(file, None, data),
        done => done,
    }
    .call("read", Path::new(""))
}

impl Files {
    /// Writes the file that `message` holds whole, and returns the number of bytes written. That is one job of one thread, or two
    /// where a user is named: only opening the file is done as that user.
    pub(crate) async fn write_whole(&self, message: FileRequest) -> Result<u64, Fault> {
        let (files, user) = (self.clone(), message.user.clone());
        if user.is_empty() {
            return self.run(move || write_all(&*file_of(&files, &message, "write")?, &message)).await;
        }
        let opened = self.run_as(&user, move || Ok((file_of(&files, &message, "write")?, message)));
        let (file, message) = opened.await?;
        self.run(move || write_all(&file, &message)).await
    }
}

fn write_all(file: &File, message: &FileRequest) -> Outcome<u64> {
    write(file, message.offset, &message.data).call("write", Path::new(""))?;
    let count = message.data.len() as u64;
    if message.flush { synced(file, count) } else { Ok(count) }
}

fn synced(file: &File, count: u64) -> Outcome<u64> {
    file.sync_all().call("fsync", Path::new("")).map(|()| count)
}

/// A file that the host writes, chunk by chunk.
pub(crate) struct Writing {
    files: Files,
    file: Arc<File>,
    offset: Option<u64>,
    count: u64,
    flush: bool,
}

impl Writing {
    /// Opens what the first message names.
    pub(crate) async fn begin(files: &Files, first: &FileRequest) -> Result<Self, Fault> {
        let (all, named) = (files.clone(), FileRequest { data: Bytes::new(), ..first.clone() });
        let file = files.run_as(&first.user, move || file_of(&all, &named, "write")).await?;
        Ok(Self { files: files.clone(), file, offset: first.offset, count: 0, flush: first.flush })
    }

    /// Writes the data of one message.
    pub(crate) async fn push(&mut self, message: FileRequest) -> Result<(), Fault> {
        let (file, offset, length) = (Arc::clone(&self.file), self.offset, message.data.len() as u64);
        if length > 0 {
            let write = move || write(&file, offset, &message.data).call("write", Path::new(""));
            self.files.run(write).await?;
        }
        self.count += length;
        self.offset = offset.map(|offset| offset + length);
        Ok(())
    }

    /// Ends the file, and returns how many bytes were written.
    pub(crate) async fn finish(self) -> Result<u64, Fault> {
        let Self { files, file, count, flush, .. } = self;
        if flush { files.run(move || synced(&file, count)).await } else { Ok(count) }
    }
}

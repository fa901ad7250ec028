//! Contents as streams: reads a file for the host, and writes one. Called by the Files service.
//!
//! No thread is occupied between two chunks, and no chunk is read before the host has room for it, which is the back-pressure.

use std::{fs::File, path::Path, sync::Arc};

use boxlite_proto::v1::{FileAnswer, FileReadRequest, FileWriteRequest};
use boxlite_wire::limits;
use bytes::Bytes;
use futures::{Stream, stream};
use nix::libc;

use super::{
    fault::{Call as _, Outcome, failed, named},
    open_file::{open, read, write},
    path::path_of,
    pool::Files,
};
use crate::Result;

/// A file that is read chunk by chunk.
struct Reading {
    files: Files,
    request: FileReadRequest,
    file: Option<Arc<File>>,
    offset: Option<u64>,
    left: u64,
}

impl Files {
    /// Reads the bytes that `request` names. The last answer may be an error.
    pub fn read(&self, request: FileReadRequest) -> impl Stream<Item = Result<FileAnswer>> + Send + use<> {
        let offset = match request.handle {
            0 => Some(request.offset.unwrap_or(0)),
            _ => request.offset,
        };
        let left = request.length.unwrap_or(u64::MAX);
        let reading = Reading { files: self.clone(), request, file: None, offset, left };
        stream::unfold(Some(reading), |reading| async {
            let mut reading = reading?;
            let next = if reading.request.opened && reading.file.is_none() {
                reading.open().await.map(|opened| opened.map(|()| Some(Vec::new())))
            } else {
                reading.next().await
            };
            match next {
                Ok(Ok(None)) => None,
                Ok(Ok(Some(data))) => {
                    Some((Ok(FileAnswer { data: data.into(), ..FileAnswer::default() }), Some(reading)))
                }
                Ok(Err(error)) => Some((Ok(failed(error)), None)),
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

/// Opens the file that `request` names.
fn readable(files: &Files, request: &FileReadRequest) -> Outcome<Arc<File>> {
    match request.handle {
        0 => open(path_of(&request.path), request.flags, request.mode).map(Arc::new),
        handle => files.file(handle).map_err(|error| named(error, "read")),
    }
}

impl Reading {
    /// Opens the file before the first chunk is read, which the host has requested.
    async fn open(&mut self) -> Result<Outcome<()>> {
        let (files, request) = (self.files.clone(), self.request.clone());
        let user = request.user.clone();
        let file = self.files.run_as(&user, move || readable(&files, &request)).await?;
        Ok(file.map(|file| self.file = Some(file)))
    }

    async fn next(&mut self) -> Result<Outcome<Option<Vec<u8>>>> {
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(limits::FILE_CHUNK);
        let known = self.file.take();
        let (files, request, offset) = (self.files.clone(), self.request.clone(), self.offset);
        let user = request.user.clone();
        let chunk = self.files.run_as(&user, move || {
            let file = match known {
                Some(file) => file,
                None => readable(&files, &request)?,
            };
            let mut data = vec![0; length];
            let read = read_some(&file, offset, &mut data)?;
            data.truncate(read);
            Ok((file, data))
        });
        Ok(match chunk.await? {
            Err(error) => Err(error),
            Ok((_, data)) if data.is_empty() => Ok(None),
            Ok((file, data)) => {
                self.file = Some(file);
                self.left -= data.len() as u64;
                self.offset = self.offset.map(|offset| offset + data.len() as u64);
                Ok(Some(data))
            }
        })
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
    pub(crate) async fn write_whole(&self, message: FileWriteRequest) -> Result<Outcome<u64>> {
        let (files, user) = (self.clone(), message.user.clone());
        if user.is_empty() {
            return self.run(move || write_all(&*writable(&files, &message)?, &message)).await;
        }
        let opened = self.run_as(&user, move || Ok((writable(&files, &message)?, message)));
        match opened.await? {
            Ok((file, message)) => self.run(move || write_all(&file, &message)).await,
            Err(error) => Ok(Err(error)),
        }
    }
}

fn write_all(file: &File, message: &FileWriteRequest) -> Outcome<u64> {
    write(file, message.offset, &message.data).call("write", Path::new(""))?;
    let count = message.data.len() as u64;
    if message.flush { synced(file, count) } else { Ok(count) }
}

/// Opens the file that `first` names.
fn writable(files: &Files, first: &FileWriteRequest) -> Outcome<Arc<File>> {
    match first.handle {
        0 => open(path_of(&first.path), first.flags, first.mode).map(Arc::new),
        handle => files.file(handle).map_err(|error| named(error, "write")),
    }
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
    pub(crate) async fn begin(files: &Files, first: &FileWriteRequest) -> Result<Outcome<Self>> {
        let (offset, flush) = (first.offset, first.flush);
        let (all, named) = (files.clone(), FileWriteRequest { data: Bytes::new(), ..first.clone() });
        let opened = files.run_as(&first.user, move || writable(&all, &named));
        Ok(opened.await?.map(|file| Self { files: files.clone(), file, offset, count: 0, flush }))
    }

    /// Writes the data of one message.
    pub(crate) async fn push(&mut self, message: FileWriteRequest) -> Result<Outcome<()>> {
        let (file, offset, length) = (Arc::clone(&self.file), self.offset, message.data.len() as u64);
        if length > 0 {
            let written =
                self.files.run(move || write(&file, offset, &message.data).call("write", Path::new("")));
            if let Err(error) = written.await? {
                return Ok(Err(error));
            }
        }
        self.count += length;
        self.offset = offset.map(|offset| offset + length);
        Ok(Ok(()))
    }

    /// Ends the file, and returns how many bytes were written.
    pub(crate) async fn finish(self) -> Result<Outcome<u64>> {
        let Self { files, file, count, flush, .. } = self;
        if !flush {
            return Ok(Ok(count));
        }
        files.run(move || synced(&file, count)).await
    }
}

//! `NativeFiles`: the files of a box, one method for each verb of `Files`. Wrapped by `lib/fs.ts` and `lib/copy.ts`.

use std::{sync::Arc, time::Duration};

use boxlite_runtime::{Files, Meter, ReadOptions, RemoveOptions};
use bytes::Bytes;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::{
    answer::{Answer, answer, answer_while_there},
    archive_writer::NativeArchiveWriter,
    directory::NativeDirectory,
    file_copy::NativeCopy,
    file_options::{CopyInput, CpInput, ReadInput, WriteInput, nanoseconds, owner},
    file_path::{Name, entries, name_of, path_of},
    file_reader::NativeFileReader,
    file_stat::{Stat, StatFs},
    file_watcher::NativeWatcher,
    file_writer::NativeFileWriter,
    open_file::NativeOpenFile,
};

/// The files of a box.
#[napi]
pub struct NativeFiles(Files);

impl From<Files> for NativeFiles {
    fn from(files: Files) -> Self {
        Self(files)
    }
}

/// How to remove.
#[napi(object, object_to_js = false)]
pub struct RmInput {
    /// Whether to remove a directory with its contents.
    pub recursive: Option<bool>,
    /// Whether a missing path is no error.
    pub force: Option<bool>,
    /// How often to retry.
    pub max_retries: Option<u32>,
    /// Milliseconds before the first retry.
    pub retry_delay: Option<u32>,
}

impl From<RmInput> for RemoveOptions {
    fn from(input: RmInput) -> Self {
        let usual = Self::default();
        Self {
            recursive: input.recursive.unwrap_or(false),
            force: input.force.unwrap_or(false),
            max_retries: input.max_retries.unwrap_or(0),
            retry_delay: input.retry_delay.map_or(usual.retry_delay, |ms| Duration::from_millis(ms.into())),
        }
    }
}

#[napi]
impl NativeFiles {
    /// The same files for another user of the box.
    #[napi(js_name = "as")]
    pub fn as_user(&self, user: String) -> Self {
        Self(self.0.as_user(&user))
    }

    /// The attributes of a file.
    #[napi]
    pub fn stat(&self, path: Name, follow: bool, exact: bool) -> Answer {
        answer(&self.0, async move |files| {
            let path = path_of(path);
            let stat = if follow { files.stat(path).await } else { files.lstat(path).await };
            Ok(Stat::of(stat?, exact))
        })
    }

    /// How full a file system is.
    #[napi(js_name = "statfs")]
    pub fn stat_fs(&self, path: Name) -> Answer {
        answer(&self.0, async move |files| files.stat_fs(path_of(path)).await.map(StatFs::from))
    }

    /// Resolves if the file exists and allows what `mode` says.
    #[napi]
    pub fn access(&self, path: Name, mode: u32) -> Answer {
        answer(&self.0, async move |files| files.access(path_of(path), mode).await)
    }

    /// Whether something exists at `path`.
    #[napi]
    pub fn exists(&self, path: Name) -> Answer {
        answer(&self.0, async move |files| files.exists(path_of(path)).await)
    }

    /// Makes a directory; resolves with the first one that was made.
    #[napi]
    pub fn mkdir(&self, path: Name, mode: u32, recursive: bool) -> Answer {
        answer(&self.0, async move |files| {
            let first = files.mkdir(path_of(path), mode, recursive).await?;
            Ok(first.map(|path| name_of(path, false)))
        })
    }

    /// Makes a directory of a new name.
    #[napi]
    pub fn mkdtemp(&self, prefix: Name, raw: bool) -> Answer {
        answer(&self.0, async move |files| Ok(name_of(files.mkdtemp(path_of(prefix)).await?, raw)))
    }

    /// Removes an empty directory.
    #[napi]
    pub fn rmdir(&self, path: Name) -> Answer {
        answer(&self.0, async move |files| files.rmdir(path_of(path)).await)
    }

    /// Removes a file or a symlink.
    #[napi]
    pub fn unlink(&self, path: Name) -> Answer {
        answer(&self.0, async move |files| files.unlink(path_of(path)).await)
    }

    /// Removes a file or a tree.
    #[napi(js_name = "rm")]
    pub fn remove(&self, path: Name, options: RmInput) -> Answer {
        answer(&self.0, async move |files| files.remove(path_of(path), options.into()).await)
    }

    /// Renames a file or directory.
    #[napi]
    pub fn rename(&self, from: Name, to: Name) -> Answer {
        answer(&self.0, async move |files| files.rename(path_of(from), path_of(to)).await)
    }

    /// Copies one file.
    #[napi]
    pub fn copy_file(&self, from: Name, to: Name, exclusive: bool) -> Answer {
        answer(&self.0, async move |files| files.copy_file(path_of(from), path_of(to), exclusive).await)
    }

    /// Copies a file or a tree.
    #[napi(js_name = "cp")]
    pub fn copy(&self, from: Name, to: Name, options: CpInput) -> Answer {
        answer(&self.0, async move |files| files.copy(path_of(from), path_of(to), options.into()).await)
    }

    /// Copies one level of a tree; resolves with which of it are directories to be filled.
    #[napi(js_name = "cpShallow")]
    pub fn copy_shallow(&self, from: Name, to: Name, names: Vec<String>, options: CpInput) -> Answer {
        answer(&self.0, async move |files| {
            files.copy_shallow(path_of(from), path_of(to), &names, options.into()).await
        })
    }

    /// Makes `path` a symlink to `target`.
    #[napi]
    pub fn symlink(&self, target: Name, path: Name) -> Answer {
        answer(&self.0, async move |files| files.symlink(path_of(target), path_of(path)).await)
    }

    /// Resolves with a symlink's target.
    #[napi(js_name = "readlink")]
    pub fn read_link(&self, path: Name, raw: bool) -> Answer {
        answer(&self.0, async move |files| Ok(name_of(files.read_link(path_of(path)).await?, raw)))
    }

    /// The absolute path without symlinks.
    #[napi(js_name = "realpath")]
    pub fn real_path(&self, path: Name, raw: bool) -> Answer {
        answer(&self.0, async move |files| Ok(name_of(files.real_path(path_of(path)).await?, raw)))
    }

    /// Makes `path` another name of a file.
    #[napi]
    pub fn link(&self, existing: Name, path: Name) -> Answer {
        answer(&self.0, async move |files| files.link(path_of(existing), path_of(path)).await)
    }

    /// Changes permissions.
    #[napi]
    pub fn chmod(&self, path: Name, mode: u32) -> Answer {
        answer(&self.0, async move |files| files.chmod(path_of(path), mode).await)
    }

    /// Changes the owner.
    #[napi]
    pub fn chown(&self, path: Name, uid: u32, gid: u32, follow: bool) -> Answer {
        answer(&self.0, async move |files| files.chown(path_of(path), owner(uid), owner(gid), follow).await)
    }

    /// Sets access and modification time.
    #[napi(js_name = "utimes")]
    pub fn set_times(&self, path: Name, atime_ms: f64, mtime_ms: f64, follow: bool) -> Answer {
        answer(&self.0, async move |files| {
            files.set_times(path_of(path), nanoseconds(atime_ms), nanoseconds(mtime_ms), follow).await
        })
    }

    /// Makes a file so many bytes long.
    #[napi]
    pub fn truncate(&self, path: Name, length: i64) -> Answer {
        answer(&self.0, async move |files| files.truncate(path_of(path), length.cast_unsigned()).await)
    }

    /// The value of an extended attribute.
    #[napi(js_name = "getxattr")]
    pub fn get_xattr(&self, path: Name, name: String, follow: bool) -> Answer {
        answer(&self.0, async move |files| {
            let value = files.get_xattr(path_of(path), &name, follow).await?;
            Ok(Buffer::from(Vec::from(value)))
        })
    }

    /// Sets an extended attribute.
    #[napi(js_name = "setxattr")]
    pub fn set_xattr(&self, path: Name, name: String, value: &[u8], flags: u32, follow: bool) -> Answer {
        let value = Bytes::copy_from_slice(value);
        answer(&self.0, async move |files| files.set_xattr(path_of(path), &name, value, flags, follow).await)
    }

    /// The names of all extended attributes, sorted.
    #[napi(js_name = "listxattr")]
    pub fn list_xattr(&self, path: Name, follow: bool) -> Answer {
        answer(&self.0, async move |files| files.list_xattr(path_of(path), follow).await)
    }

    /// Removes an extended attribute.
    #[napi(js_name = "removexattr")]
    pub fn remove_xattr(&self, path: Name, name: String, follow: bool) -> Answer {
        answer(&self.0, async move |files| files.remove_xattr(path_of(path), &name, follow).await)
    }

    /// Opens a file.
    #[napi]
    pub fn open(&self, path: Name, flags: u32, mode: u32) -> Answer {
        answer(&self.0, async move |files| {
            files.open(path_of(path), flags, mode).await.map(NativeOpenFile::from)
        })
    }

    /// All entries of a directory.
    #[napi]
    pub fn read_directory(&self, path: Name, recursive: bool, raw: bool) -> Answer {
        answer(&self.0, async move |files| Ok(entries(files.read_dir(path_of(path), recursive).await?, raw)))
    }

    /// Lists a directory in chunks.
    #[napi]
    pub fn open_directory(&self, path: Name, recursive: bool, raw: bool) -> Answer {
        answer(&self.0, async move |files| {
            Ok(NativeDirectory::new(files.open_dir(path_of(path), recursive).await?, raw))
        })
    }

    /// Reads a file as a stream; resolves when it is open.
    #[napi]
    pub fn read(&self, path: Name, options: ReadInput) -> Answer {
        answer(&self.0, async move |files| {
            files.read_stream(path_of(path), options.into()).await.map(NativeFileReader::from)
        })
    }

    /// Writes a file as a stream.
    #[napi]
    pub fn write(&self, path: Name, options: WriteInput) -> Answer {
        answer(&self.0, async move |files| {
            files.write_stream(path_of(path), options.into()).await.map(NativeFileWriter::from)
        })
    }

    /// Packs a tree as a tar stream.
    #[napi]
    pub fn pack_out(&self, from: String, options: CopyInput) -> Answer {
        answer(&self.0, async move |files| {
            let archive = files.pack_out(from, options.xattrs.unwrap_or(false)).await;
            archive.map(NativeFileReader::from)
        })
    }

    /// Unpacks a tar stream.
    #[napi]
    pub fn unpack_in(&self, to: String, options: CopyInput) -> Answer {
        answer(&self.0, async move |files| {
            files.unpack_in(to, options.into()).await.map(NativeArchiveWriter::from)
        })
    }

    /// Reads a whole file of at most `max` bytes.
    #[napi]
    pub fn read_file(&self, path: Name, flags: u32, max: u32) -> Answer {
        answer_while_there(&self.0, async move |files| {
            let options = ReadOptions { flags, mode: 0o666, ..ReadOptions::default() };
            files.read(path_of(path), options, max as usize).await.map(Buffer::from)
        })
    }

    /// Writes a whole file.
    #[napi]
    pub fn write_file(&self, path: Name, data: &[u8], options: WriteInput) -> Answer {
        // Copied, since the caller may write to its memory while this goes on.
        let data = Bytes::copy_from_slice(data);
        answer_while_there(&self.0, async move |files| files.write(path_of(path), data, options.into()).await)
    }

    /// Watches a file, a directory or a tree.
    #[napi]
    pub fn watch(&self, path: Name, recursive: bool, raw: bool) -> Answer {
        // Called before the promise is made, so that later calls come after it.
        let pending = self.0.watch(path_of(path), recursive);
        answer(&(), async move |()| Ok(NativeWatcher::new(pending.await?, raw)))
    }

    /// Copies from the host.
    #[napi]
    pub fn copy_in(&self, from: String, to: String, options: CopyInput) -> NativeCopy {
        let (files, meter) = (self.0.clone(), Arc::new(Meter::default()));
        let counted = Arc::clone(&meter);
        NativeCopy::new(meter, async move { files.copy_in(from, to, options.into(), counted).await })
    }

    /// Copies to the host.
    #[napi]
    pub fn copy_out(&self, from: String, to: String, options: CopyInput) -> NativeCopy {
        let (files, meter) = (self.0.clone(), Arc::new(Meter::default()));
        let counted = Arc::clone(&meter);
        NativeCopy::new(meter, async move { files.copy_out(from, to, options.into(), counted).await })
    }
}

//! One operation, from request to answer: selects the function that performs it, with the fields that it needs. Called by the
//! Files service.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _, path::Path};

use boxlite_proto::v1::{FileAnswer, FileOperation, FileRequest};
use boxlite_wire::limits;
use nix::{
    fcntl::{AT_FDCWD, AtFlags},
    libc,
    unistd::{AccessFlags, faccessat, mkdtemp},
};

use super::{
    attributes::{self, Subject},
    cp, extended,
    fault::{Call as _, Fault, Outcome, Towards as _, fault},
    file_system,
    open_file::{open, read, write},
    path::{bytes_of, path_of},
    pool::Files,
    remove, tree,
};
use crate::Result;

impl Files {
    /// Performs one operation. If the kernel refuses it, the answer has the error.
    ///
    /// # Errors
    ///
    /// There is no container, or the user is unknown. An error of the kernel is in the answer.
    pub async fn call(&self, request: FileRequest) -> Result<FileAnswer> {
        let files = self.clone();
        let user = request.user.clone();
        self.run_as(&user, move || perform(&files, &request)).await.or_else(Fault::answered)
    }
}

fn perform(files: &Files, request: &FileRequest) -> Outcome<FileAnswer> {
    let path = path_of(&request.path);
    let to = path_of(&request.to);
    // On an open file, the system call has another name.
    let subject = |syscall| match request.handle {
        0 => Ok(Subject::At(path)),
        handle => files.handles().get(handle, syscall).map(Subject::Open),
    };
    let nowhere = Path::new("");
    let mut answer = FileAnswer::default();
    match request.operation() {
        FileOperation::Stat => answer.stat = Some(attributes::stat(&subject("fstat")?, request.follow)?),
        FileOperation::Access => {
            // The effective user counts, which access(2) ignores.
            let mode = AccessFlags::from_bits_truncate(request.mode.cast_signed());
            faccessat(AT_FDCWD, path, mode, AtFlags::AT_EACCESS).call("access", path)?;
        }
        FileOperation::Mkdir => {
            answer.path = tree::make_directory(path, request.mode, request.recursive)?.unwrap_or_default();
        }
        FileOperation::Mkdtemp => {
            let template = Path::new(OsStr::from_bytes(&[&request.path[..], b"XXXXXX"].concat())).to_owned();
            answer.path = bytes_of(&mkdtemp(&template).call("mkdtemp", &template)?);
        }
        FileOperation::Rmdir => fs::remove_dir(path).call("rmdir", path)?,
        FileOperation::Unlink => fs::remove_file(path).call("unlink", path)?,
        FileOperation::Remove => remove::remove(path, request.recursive, request.force)?,
        FileOperation::Rename => fs::rename(path, to).call("rename", path).towards(to)?,
        FileOperation::CopyFile => tree::copy_file(path, to, request.exclusive, "copyfile")?,
        FileOperation::Copy => answer.data = cp::copy(request)?.into(),
        FileOperation::Symlink => std::os::unix::fs::symlink(to, path).call("symlink", to).towards(path)?,
        FileOperation::ReadLink => answer.path = bytes_of(&fs::read_link(path).call("readlink", path)?),
        FileOperation::RealPath => answer.path = bytes_of(&fs::canonicalize(path).call("realpath", path)?),
        FileOperation::Link => fs::hard_link(path, to).call("link", path).towards(to)?,
        FileOperation::Chmod => attributes::change_mode(&subject("fchmod")?, request.mode)?,
        FileOperation::Chown => {
            attributes::change_owner(&subject("fchown")?, request.uid, request.gid, request.follow)?;
        }
        FileOperation::SetTimes => {
            attributes::set_times(&subject("futime")?, request.atime_ns, request.mtime_ns, request.follow)?;
        }
        FileOperation::Truncate => attributes::truncate(&subject("ftruncate")?, request.length)?,
        FileOperation::Open => {
            let file = open(path, request.flags, request.mode)?;
            answer.handle = files.handles().add(file)?;
        }
        FileOperation::Close => files.handles().remove(request.handle)?,
        FileOperation::ReadAt => {
            let file = files.handles().get(request.handle, "read")?;
            let length = usize::try_from(request.length).unwrap_or(usize::MAX).min(limits::FILE_CHUNK);
            let mut data = vec![0; length];
            let read = read(&file, request.offset, &mut data).call("read", nowhere)?;
            data.truncate(read);
            answer.data = data.into();
        }
        FileOperation::WriteAt => {
            let file = files.handles().get(request.handle, "write")?;
            write(&file, request.offset, &request.data).call("write", nowhere)?;
            answer.count = request.data.len() as u64;
        }
        FileOperation::Sync if request.data_only => {
            let file = files.handles().get(request.handle, "fdatasync")?;
            file.sync_data().call("fdatasync", nowhere)?;
        }
        FileOperation::Sync => {
            let file = files.handles().get(request.handle, "fsync")?;
            file.sync_all().call("fsync", nowhere)?;
        }
        FileOperation::StatFs => answer.file_system = Some(file_system::status(path)?),
        FileOperation::GetXattr => answer.data = extended::get(path, request)?.into(),
        FileOperation::SetXattr => extended::set(path, request)?,
        FileOperation::ListXattr => answer.data = extended::list(path, request)?.into(),
        FileOperation::RemoveXattr => extended::remove(path, request)?,
        FileOperation::Unspecified => return Err(fault(libc::ENOSYS, "call", path)),
    }
    Ok(answer)
}

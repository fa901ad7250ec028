//! `FileStat` and `FileSystemStat`: what stat(2) and statfs(2) say.

use boxlite_proto::v1;
use serde::{Deserialize, Serialize};

/// The attributes of a file, as stat(2) has them. Times are nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStat {
    /// The device that holds the file.
    pub dev: u64,
    /// The inode's number.
    pub ino: u64,
    /// File type and permissions.
    pub mode: u32,
    /// Hard links.
    pub nlink: u64,
    /// The user that owns the file.
    pub uid: u32,
    /// The group that owns the file.
    pub gid: u32,
    /// The device that a device file stands for.
    pub rdev: u64,
    /// Size in bytes.
    pub size: u64,
    /// The preferred size of a read or write, in bytes.
    pub block_size: u64,
    /// Allocated blocks of 512 bytes.
    pub blocks: u64,
    /// When the file was last read.
    pub atime_ns: i64,
    /// When its contents last changed.
    pub mtime_ns: i64,
    /// When its attributes last changed.
    pub ctime_ns: i64,
    /// When it was made.
    pub birthtime_ns: i64,
}

impl From<v1::FileStat> for FileStat {
    fn from(stat: v1::FileStat) -> Self {
        Self {
            dev: stat.dev,
            ino: stat.ino,
            mode: stat.mode,
            nlink: stat.nlink,
            uid: stat.uid,
            gid: stat.gid,
            rdev: stat.rdev,
            size: stat.size,
            block_size: stat.block_size,
            blocks: stat.blocks,
            atime_ns: stat.atime_ns,
            mtime_ns: stat.mtime_ns,
            ctime_ns: stat.ctime_ns,
            birthtime_ns: stat.birthtime_ns,
        }
    }
}

/// How full a file system is, as statfs(2) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSystemStat {
    /// Linux's number of the kind of file system: `0xef53` is ext4.
    pub kind: u64,
    /// Bytes of a block.
    pub block_size: u64,
    /// Blocks in all.
    pub blocks: u64,
    /// Free blocks.
    pub free: u64,
    /// Free blocks for others than root.
    pub available: u64,
    /// How many files there can be.
    pub files: u64,
    /// How many files can still be made.
    pub files_free: u64,
}

impl From<v1::FileSystemStat> for FileSystemStat {
    fn from(stat: v1::FileSystemStat) -> Self {
        Self {
            kind: stat.r#type,
            block_size: stat.block_size,
            blocks: stat.blocks,
            free: stat.free,
            available: stat.available,
            files: stat.files,
            files_free: stat.files_free,
        }
    }
}

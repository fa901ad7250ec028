//! `Stat` and `StatFs`: the attributes of files and file systems on their way to `lib/stats.ts`. Called by `files` and `open_file`.

use boxlite_runtime::{FileStat, FileSystemStat};
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

/// The attributes of a file. Numbers are what JavaScript has: exact up to 2^53.
#[napi(object, object_from_js = false)]
#[allow(missing_docs, reason = "the names are stat(2)'s")]
pub struct Stat {
    pub dev: f64,
    pub ino: f64,
    pub mode: u32,
    pub nlink: f64,
    pub uid: u32,
    pub gid: u32,
    pub rdev: f64,
    pub size: f64,
    pub blksize: f64,
    pub blocks: f64,
    pub atime_ms: f64,
    pub mtime_ms: f64,
    pub ctime_ms: f64,
    pub birthtime_ms: f64,
    /// If it was requested.
    pub exact: Option<ExactStat>,
}

/// What may exceed JavaScript's numbers.
#[napi(object, object_from_js = false)]
#[allow(missing_docs, reason = "the names are stat(2)'s")]
pub struct ExactStat {
    pub dev: BigInt,
    pub ino: BigInt,
    pub rdev: BigInt,
    pub size: BigInt,
    pub blocks: BigInt,
    pub atime_ns: BigInt,
    pub mtime_ns: BigInt,
    pub ctime_ns: BigInt,
    pub birthtime_ns: BigInt,
}

/// How full a file system is.
#[napi(object, object_from_js = false)]
#[allow(missing_docs, reason = "the names are statfs(2)'s")]
pub struct StatFs {
    pub r#type: BigInt,
    pub bsize: BigInt,
    pub blocks: BigInt,
    pub bfree: BigInt,
    pub bavail: BigInt,
    pub files: BigInt,
    pub ffree: BigInt,
}

impl Stat {
    /// The attributes; with `exact` also those that may exceed JavaScript's numbers.
    pub(crate) fn of(stat: FileStat, exact: bool) -> Self {
        Self { exact: exact.then(|| ExactStat::from(&stat)), ..stat.into() }
    }
}

impl From<&FileStat> for ExactStat {
    fn from(stat: &FileStat) -> Self {
        Self {
            dev: stat.dev.into(),
            ino: stat.ino.into(),
            rdev: stat.rdev.into(),
            size: stat.size.into(),
            blocks: stat.blocks.into(),
            atime_ns: stat.atime_ns.into(),
            mtime_ns: stat.mtime_ns.into(),
            ctime_ns: stat.ctime_ns.into(),
            birthtime_ns: stat.birthtime_ns.into(),
        }
    }
}

impl From<FileSystemStat> for StatFs {
    fn from(stat: FileSystemStat) -> Self {
        Self {
            r#type: stat.kind.into(),
            bsize: stat.block_size.into(),
            blocks: stat.blocks.into(),
            bfree: stat.free.into(),
            bavail: stat.available.into(),
            files: stat.files.into(),
            ffree: stat.files_free.into(),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "JavaScript's numbers, as in Node's Stats")]
impl From<FileStat> for Stat {
    fn from(stat: FileStat) -> Self {
        // As Node does it: in one number, nanoseconds since 1970 have more digits than a float.
        let ms = |ns: i64| {
            let (seconds, rest) = (ns.div_euclid(1_000_000_000), ns.rem_euclid(1_000_000_000));
            seconds as f64 * 1000.0 + rest as f64 / 1e6
        };
        Self {
            dev: stat.dev as f64,
            ino: stat.ino as f64,
            mode: stat.mode,
            nlink: stat.nlink as f64,
            uid: stat.uid,
            gid: stat.gid,
            rdev: stat.rdev as f64,
            size: stat.size as f64,
            blksize: stat.block_size as f64,
            blocks: stat.blocks as f64,
            atime_ms: ms(stat.atime_ns),
            mtime_ms: ms(stat.mtime_ns),
            ctime_ms: ms(stat.ctime_ns),
            birthtime_ms: ms(stat.birthtime_ns),
            exact: None,
        }
    }
}

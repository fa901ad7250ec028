//! The options of file calls as JavaScript gives them. Called by `files` and `open_file`.

use boxlite_runtime::{CopyFrom, CopyInto, CopyOptions, ReadOptions, WriteOptions};
use napi_derive::napi;

/// How to read a file as a stream.
#[napi(object, object_to_js = false)]
pub struct ReadInput {
    /// Linux's flags of open(2).
    pub flags: Option<u32>,
    /// Permissions.
    pub mode: Option<u32>,
    /// The position of the first byte.
    pub offset: Option<i64>,
    /// Most bytes.
    pub length: Option<i64>,
}

impl From<ReadInput> for ReadOptions {
    fn from(input: ReadInput) -> Self {
        Self {
            flags: input.flags.unwrap_or(0),
            mode: input.mode.unwrap_or(0),
            offset: unsigned(input.offset),
            length: unsigned(input.length),
            await_open: true,
        }
    }
}

/// How to write a file.
#[napi(object, object_to_js = false)]
pub struct WriteInput {
    /// Linux's flags of open(2).
    pub flags: Option<u32>,
    /// Permissions.
    pub mode: Option<u32>,
    /// The position of the first byte.
    pub offset: Option<i64>,
    /// Bring what was written to the disk.
    pub flush: Option<bool>,
}

impl From<WriteInput> for WriteOptions {
    fn from(input: WriteInput) -> Self {
        Self {
            flags: input.flags.unwrap_or(0),
            mode: input.mode.unwrap_or(0),
            offset: unsigned(input.offset),
            flush: input.flush.unwrap_or(false),
        }
    }
}

/// How to copy inside a box.
#[napi(object, object_to_js = false)]
#[allow(missing_docs, reason = "the names are `CopyOptions`'s")]
pub struct CpInput {
    pub recursive: Option<bool>,
    pub overwrite: Option<bool>,
    pub error_on_exist: Option<bool>,
    pub dereference: Option<bool>,
    pub preserve_times: Option<bool>,
    pub verbatim_symlinks: Option<bool>,
}

impl From<CpInput> for CopyOptions {
    fn from(input: CpInput) -> Self {
        Self {
            recursive: input.recursive.unwrap_or(false),
            overwrite: input.overwrite.unwrap_or(true),
            error_on_exist: input.error_on_exist.unwrap_or(false),
            dereference: input.dereference.unwrap_or(false),
            preserve_times: input.preserve_times.unwrap_or(false),
            verbatim_symlinks: input.verbatim_symlinks.unwrap_or(false),
        }
    }
}

/// How to copy between host and box; some fields are of one direction only.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct CopyInput {
    /// To whom the copy belongs.
    pub owner: Option<String>,
    /// Whether what is of another type gives way.
    pub replace: Option<bool>,
    /// With extended attributes.
    pub xattrs: Option<bool>,
    /// Most bytes.
    pub max_bytes: Option<i64>,
    /// Most entries.
    pub max_entries: Option<i64>,
}

impl From<CopyInput> for CopyInto {
    fn from(input: CopyInput) -> Self {
        Self {
            owner: input.owner,
            replace: input.replace.unwrap_or(false),
            xattrs: input.xattrs.unwrap_or(false),
        }
    }
}

impl From<CopyInput> for CopyFrom {
    fn from(input: CopyInput) -> Self {
        Self {
            max_bytes: unsigned(input.max_bytes),
            max_entries: unsigned(input.max_entries),
            replace: input.replace.unwrap_or(false),
            xattrs: input.xattrs.unwrap_or(false),
        }
    }
}

/// Nanoseconds since the epoch.
#[allow(clippy::cast_possible_truncation, reason = "a float saturates")]
pub(crate) fn nanoseconds(ms: f64) -> i64 {
    // Milliseconds apart from their fraction: together they don't fit in a float's 53 bits.
    let whole = ms.floor();
    (whole as i64).saturating_mul(1_000_000).saturating_add(((ms - whole) * 1e6).round() as i64)
}

/// A user or group; JavaScript's largest number leaves it as it is.
pub(crate) fn owner(id: u32) -> Option<u32> {
    Some(id).filter(|id| *id != u32::MAX)
}

/// A number that may not be negative.
pub(crate) fn unsigned(value: Option<i64>) -> Option<u64> {
    value.and_then(|value| value.try_into().ok())
}

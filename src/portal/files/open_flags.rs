//! Linux's flags of open(2). They are the box's numbers, which differ from those of other hosts.

/// Opens for writing only; without it and [`READ_WRITE`], for reading only.
pub const WRITE_ONLY: u32 = 0o1;
/// Opens for reading and writing.
pub const READ_WRITE: u32 = 0o2;
/// Makes the file if it does not exist.
pub const CREATE: u32 = 0o100;
/// With [`CREATE`], fails with `EEXIST` if the file exists.
pub const EXCLUSIVE: u32 = 0o200;
/// Empties the file.
pub const TRUNCATE: u32 = 0o1000;
/// Every write goes to the end of the file.
pub const APPEND: u32 = 0o2000;

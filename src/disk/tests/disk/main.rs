//! Disks made of layers written here, judged by e2fsprogs and qemu-img: programs that this project had no hand in.

#![allow(clippy::unwrap_used, reason = "tests")]

mod cost;
mod faults;
mod fsck;
mod layer;
mod leaks;
mod merge;
mod model;
mod oracle;
mod overlay;
mod storage;

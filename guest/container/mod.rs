//! What a process does to become the container, by the OCI runtime specification, and how a process enters it.
//!
//! Called by the zygote only, which is single-threaded: everything here changes the calling process. [`become_container`]
//! is the order of events, and calls the other files. [`Accounts`] and [`Rlimits`] are for every execution.

mod accounts;
mod authorities;
mod bounding;
mod cached_file;
mod cgroup;
mod device_filter;
mod devices;
mod execution_group;
mod files;
mod init;
mod masks;
mod mounts;
mod options;
mod rlimit;
mod rootfs;
mod sysctl;
mod user;

pub use accounts::Accounts;
pub use authorities::install as install_authorities;
pub use bounding::drop_bounding;
pub use cgroup::{Cgroup, ROOT as CGROUP_ROOT};
pub use device_filter::{DeviceRule, filter_devices};
pub use devices::Device;
pub use execution_group::{ExecutionGroup, ExecutionGroups};
pub use init::{Container, become_container, join_container};
pub use rlimit::Rlimits;
pub use user::User;

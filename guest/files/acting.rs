//! Acting as a user of the container: a thread of the pool takes a user's ids for one job. Called by `pool`.
//!
//! Only the effective ids of this thread change. The kernel then checks every path as it does for the user's own processes, and
//! root's capabilities are gone until the job is done. The functions of libc, which nix wraps, change the ids of all threads.

use rustix::{
    io::Result,
    process::getgroups,
    thread::{Gid, Uid, set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use crate::container::User;

/// The groups that the thread had before.
pub(super) struct Acting {
    groups: Vec<Gid>,
}

impl Acting {
    /// Makes the calling thread act as `user`. Call [`Self::end`] also after a failure, which may have changed some of the ids.
    pub(super) fn begin(user: &User) -> (Self, Result<()>) {
        let before = getgroups();
        let acting = Self { groups: before.clone().unwrap_or_default() };
        let begun = before.and_then(|_| {
            let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
            set_thread_groups(&groups)?;
            set_thread_res_gid(None, Gid::from_raw(user.gid), None)?;
            // This is last, since it ends the right to change the others.
            set_thread_res_uid(None, Uid::from_raw(user.uid), None)
        });
        (acting, begun)
    }

    /// Makes the calling thread root again. After a failure the thread must not be used any more.
    pub(super) fn end(self) -> Result<()> {
        set_thread_res_uid(None, Uid::ROOT, None)?;
        set_thread_res_gid(None, Gid::ROOT, None)?;
        set_thread_groups(&self.groups)
    }
}

//! Looks users up in the passwd and group files of the rootfs.
//!
//! Called by the zygote's children, inside the rootfs and in the zygote's memory, and by `files`. A static glibc has no NSS, so the
//! files are parsed here.

use super::{
    cached_file::CachedFile,
    user::{User, resolve},
};

/// The passwd and group files of this process's root. They are read again only when they have changed, since that would cost a
/// short execution more than a stat does.
#[derive(Debug, Default)]
pub struct Accounts {
    passwd: CachedFile,
    group: CachedFile,
}

impl Accounts {
    /// Resolves `spec`.
    ///
    /// # Errors
    /// Returns a sentence for the user if a name is unknown or a file can't be read.
    pub fn look_up(&mut self, spec: &str) -> Result<User, String> {
        self.look_up_in(spec, "/etc/passwd", "/etc/group")
    }

    fn look_up_in(&mut self, spec: &str, passwd_path: &str, group_path: &str) -> Result<User, String> {
        let passwd = self.passwd.read(passwd_path);
        let group = self.group.read(group_path);
        // Ids need no file, so a file that can't be read is an error for names only.
        let [known, groups] = [&passwd, &group].map(|read| read.as_deref().unwrap_or_default());
        resolve(spec, known, groups).map_err(|error| {
            let unread = [(passwd_path, passwd.err()), (group_path, group.err())];
            unread.into_iter().fold(error, |error, (path, cause)| match cause {
                Some(cause) => format!("{error} (read {path}: {cause})"),
                None => error,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_no_regular_file_is_never_opened_and_is_an_error_for_names_only() {
        let folder = std::env::temp_dir().join(format!("boxlite-accounts-{}", std::process::id()));
        fs::create_dir(&folder).expect("mkdir");
        let [fifo, device, huge] = ["fifo", "device", "huge"].map(|name| folder.join(name));
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).expect("mkfifo");
        std::os::unix::fs::symlink("/dev/zero", &device).expect("symlink");
        fs::File::create(&huge).and_then(|file| file.set_len(1 << 40)).expect("a huge file");
        let mut accounts = Accounts::default();
        for path in [&fifo, &device, &folder] {
            let path = path.to_str().expect("UTF-8");
            let refused = accounts.look_up_in("ghost", path, path).expect_err("a name");
            assert!(refused.contains("ghost") && refused.contains("not a regular file"), "{refused}");
            for spec in ["", "0", "7:8"] {
                accounts.look_up_in(spec, path, path).unwrap_or_else(|error| panic!("{spec:?}: {error}"));
            }
        }
        let path = huge.to_str().expect("UTF-8");
        assert_eq!(accounts.look_up_in("7", path, path).expect("a number").uid, 7);
        assert_eq!(accounts.passwd.read(path).expect("its beginning").len(), 4 << 20);
        fs::remove_dir_all(&folder).expect("remove");
    }
}

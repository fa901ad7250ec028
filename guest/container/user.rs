//! Who a process runs as: "name", "uid", "name:group" or "uid:gid", looked up in the rootfs's passwd and group files.
//!
//! Called by the zygote's children, inside the rootfs and in the zygote's memory. Read by hand: a static glibc has no NSS, and the files are an
//! image's, so they are bounded and may be nonsense. Rules as docker's: a uid without an entry gets group 0 and home
//! "/"; supplementary groups come from the group file unless a group is named.

use std::{
    borrow::Cow,
    fs::{self, Metadata, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    time::{SystemTime, UNIX_EPOCH},
};

use nix::fcntl::OFlag;

/// Most bytes that are read of either file.
const FILE_LIMIT: u64 = 4 << 20;

/// Most bytes of either file that are kept.
const KEPT: usize = 64 << 10;

/// Seconds after its last change from which on a file may be kept.
const SETTLED: i64 = 2;

/// Most supplementary groups (the kernel's own limit is `NGROUPS_MAX`, 65536).
const GROUP_LIMIT: usize = 1024;

/// A resolved user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary group ids.
    pub groups: Vec<u32>,
    /// Home directory; "/" where the passwd file names none.
    pub home: String,
}

/// The passwd and group files of this process's root, read again only when they have changed: opening and reading them
/// costs a short execution more than looking at them does.
#[derive(Debug, Default)]
pub struct Accounts {
    passwd: Kept,
    group: Kept,
}

impl Accounts {
    /// Resolves `spec`. The error is a sentence for the user.
    pub fn look_up(&mut self, spec: &str) -> Result<User, String> {
        self.look_up_in(spec, "/etc/passwd", "/etc/group")
    }

    fn look_up_in(&mut self, spec: &str, passwd_path: &str, group_path: &str) -> Result<User, String> {
        let passwd = self.passwd.read(passwd_path);
        let group = self.group.read(group_path);
        // Ids need no file: one that can't be read fails names alone.
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

/// A file as it was read last.
#[derive(Debug, Default)]
struct Kept(Option<(Stamp, String)>);

/// What tells one state of a file from any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        let (file, changed) = ((meta.dev(), meta.ino()), (meta.ctime(), meta.ctime_nsec()));
        Self { file, size: meta.size(), changed }
    }

    /// Whether any further change would show: one in the same tick of the kernel's clock does not.
    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        i64::try_from(now).is_ok_and(|now| self.changed.0 + SETTLED < now)
    }
}

impl Kept {
    /// The whole of a regular file, and nothing of one that is not there. Anything else is an error: a FIFO or a device could
    /// keep its reader for ever.
    fn read(&mut self, path: &str) -> io::Result<Cow<'_, str>> {
        let present = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Cow::default()),
            Ok(meta) if !meta.is_file() => return Err(irregular()),
            present => Stamp::of(&present?),
        };
        if self.0.as_ref().is_none_or(|(known, _)| *known != present) {
            self.0 = None;
            let (stamp, text) = read(path)?;
            if text.len() > KEPT || !stamp.is_settled() {
                return Ok(Cow::Owned(text));
            }
            self.0 = Some((stamp, text));
        }
        Ok(self.0.as_ref().map_or_else(Cow::default, |(_, text)| Cow::Borrowed(text.as_str())))
    }
}

fn read(path: &str) -> io::Result<(Stamp, String)> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(irregular());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len().min(FILE_LIMIT)).unwrap_or(0) + 1);
    file.take(FILE_LIMIT).read_to_end(&mut bytes)?;
    Ok((Stamp::of(&meta), String::from_utf8_lossy(&bytes).into_owned()))
}

fn irregular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a regular file")
}

fn resolve(spec: &str, passwd: &str, group: &str) -> Result<User, String> {
    let (who, which_group) = match spec.split_once(':') {
        Some((who, group)) => (who, Some(group)),
        None => (spec, None),
    };
    let who = if who.is_empty() { "0" } else { who };
    let id = number(who);
    let entry =
        passwd.lines().filter_map(Entry::parse).find(|entry| entry.name == who || Some(entry.uid) == id);
    let (uid, gid, home) = match (&entry, id) {
        (Some(entry), _) => (entry.uid, entry.gid, entry.home),
        (None, Some(uid)) => (uid, 0, "/"),
        (None, None) => return Err(format!("user {who:?}: not in /etc/passwd")),
    };
    let (gid, groups) = match which_group.filter(|group| !group.is_empty()) {
        Some(wanted) => (find_group(wanted, group)?, Vec::new()),
        None => (gid, entry.map_or_else(Vec::new, |entry| memberships(entry.name, group))),
    };
    let home = if home.is_empty() { "/" } else { home };
    Ok(User { uid, gid, groups, home: home.to_owned() })
}

/// One line of passwd(5).
struct Entry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with('#'))?;
        let uid = number(fields.nth(1)?)?;
        let gid = number(fields.next()?)?;
        let home = fields.nth(1).unwrap_or_default();
        Some(Self { name, uid, gid, home })
    }
}

/// Name, id and members of one line of group(5).
fn parse_group(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let gid = number(fields.nth(1)?)?;
    Some((name, gid, fields.next().unwrap_or_default()))
}

fn find_group(wanted: &str, group: &str) -> Result<u32, String> {
    let id = number(wanted);
    let named =
        group.lines().filter_map(parse_group).find(|(name, ..)| *name == wanted).map(|(_, gid, _)| gid);
    named.or(id).ok_or_else(|| format!("group {wanted:?}: not in /etc/group"))
}

fn memberships(user: &str, group: &str) -> Vec<u32> {
    group
        .lines()
        .filter_map(parse_group)
        .filter(|(.., members)| members.split(',').any(|member| member.trim() == user))
        .map(|(_, gid, _)| gid)
        .take(GROUP_LIMIT)
        .collect()
}

/// An id as docker takes it: decimal, no more than 2^31 - 1.
fn number(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|id| i32::try_from(*id).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n# comment\n\nbroken\nweb:x:33:34:Web,,,:/var/www:/bin/false\n\
        nohome:x:40:40::\nhuge:x:99999999999:1::/:\n";
    const GROUP: &str = "root:x:0:\nweb:x:34:\naudio:x:29:web,root\nvideo:x:44:root\n7:x:700:\nbad\n";

    fn user(spec: &str) -> User {
        resolve(spec, PASSWD, GROUP).expect("resolves")
    }

    #[test]
    fn empty_is_root_with_its_groups() {
        assert_eq!(user(""), User { uid: 0, gid: 0, groups: vec![29, 44], home: "/root".into() });
        assert_eq!(user(""), user("root"));
        assert_eq!(user(""), user("0"));
    }

    #[test]
    fn a_name_brings_group_home_and_memberships() {
        assert_eq!(user("web"), User { uid: 33, gid: 34, groups: vec![29], home: "/var/www".into() });
        assert_eq!(user("33"), user("web"));
    }

    #[test]
    fn a_named_group_replaces_the_rest() {
        assert_eq!(user("web:audio"), User { uid: 33, gid: 29, groups: vec![], home: "/var/www".into() });
        assert_eq!(user("1000:1001"), User { uid: 1000, gid: 1001, groups: vec![], home: "/".into() });
        assert_eq!(user("web:7").gid, 700, "a name wins over a number");
        assert_eq!(user(":audio").gid, 29);
    }

    #[test]
    fn an_unknown_uid_is_fine_and_an_unknown_name_is_not() {
        assert_eq!(user("4242"), User { uid: 4242, gid: 0, groups: vec![], home: "/".into() });
        assert!(resolve("ghost", PASSWD, GROUP).expect_err("unknown").contains("ghost"));
        assert!(resolve("web:ghosts", PASSWD, GROUP).expect_err("unknown").contains("ghosts"));
        // Its uid is no uid; and (uid_t)-1 means "unchanged" to setuid.
        for who in ["huge", "4294967295"] {
            let refused = resolve(who, PASSWD, GROUP).expect_err("no uid");
            assert!(refused.contains(&format!("user {who:?}")), "{refused}");
        }
    }

    #[test]
    fn a_file_is_read_again_when_it_has_changed() {
        let path = std::env::temp_dir().join(format!("boxlite-passwd-{}", std::process::id()));
        let path = path.to_str().expect("UTF-8");
        let mut kept = Kept::default();
        assert_eq!(kept.read(path).expect("nothing"), "");
        fs::write(path, "first").expect("write");
        assert_eq!(kept.read(path).expect("read"), "first");
        assert!(kept.0.is_none(), "it may still change unseen");
        // As if that had been long ago.
        let (stamp, _) = read(path).expect("read");
        kept.0 = Some((stamp, "kept".into()));
        assert_eq!(kept.read(path).expect("kept"), "kept");
        fs::write(path, "another").expect("write");
        assert_eq!(kept.read(path).expect("read"), "another");
        fs::remove_file(path).expect("remove");
        assert_eq!(kept.read(path).expect("nothing"), "");
    }

    #[test]
    fn what_is_no_regular_file_is_never_opened_and_fails_names_alone() {
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

    #[test]
    fn a_missing_home_is_the_root() {
        assert_eq!(user("nohome").home, "/");
    }

    #[test]
    fn no_files_at_all_still_give_root() {
        assert_eq!(resolve("", "", ""), Ok(User { uid: 0, gid: 0, groups: vec![], home: "/".into() }));
    }
}

//! The user of a process: "name", "uid", "name:group" or "uid:gid", resolved with the text of passwd and group files. Pure.
//!
//! Called by `accounts`. The files are an image's and may be invalid. The rules are docker's: a uid without an entry gets group 0 and
//! the home directory "/", and supplementary groups come from the group file unless a group is named.

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
    /// Home directory, which is "/" if the passwd file names none.
    pub home: String,
}

/// Resolves `spec`. The error is a sentence for the user.
pub(super) fn resolve(spec: &str, passwd: &str, group: &str) -> Result<User, String> {
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

/// An id as docker accepts it: decimal, at most 2^31 - 1.
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
    fn a_missing_home_is_the_root() {
        assert_eq!(user("nohome").home, "/");
    }

    #[test]
    fn no_files_at_all_still_give_root() {
        assert_eq!(resolve("", "", ""), Ok(User { uid: 0, gid: 0, groups: vec![], home: "/".into() }));
    }
}

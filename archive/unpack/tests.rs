//! Archives as hostile guests make them, and trees that come back as they were.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
};

use tar::{Builder, Header};
use tempfile::TempDir;

use super::*;
use crate::pack;

type Entries<'a> = &'a [(EntryType, &'a str, &'a str)];

/// An archive of (type, path, content or link target), whose paths are written as they are.
fn archive(entries: Entries) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, path, content) in entries {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o4755);
        header.set_mtime(7);
        let data = if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
            ""
        } else {
            content
        };
        header.set_size(data.len() as u64);
        header.set_cksum();
        builder.append(&header, data.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A folder `out` to unpack in, and beside it the file `secret`, which nobody may reach.
fn surroundings() -> TempDir {
    let around = tempfile::tempdir().unwrap();
    fs::create_dir(around.path().join("out")).unwrap();
    fs::write(around.path().join("secret"), "secret").unwrap();
    around
}

fn unpack_at(place: &Place, bytes: &[u8]) -> Result<Meter> {
    let meter = Meter::default();
    unpack(bytes, place, Unpack::default(), &meter).map(|()| meter)
}

fn unpack_in(around: &TempDir, entries: Entries) -> Result<Meter> {
    unpack_at(&Place::folder(&around.path().join("out")).unwrap(), &archive(entries))
}

fn is_untouched(around: &TempDir) {
    let secret = around.path().join("secret");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    assert_eq!(fs::metadata(&secret).unwrap().nlink(), 1);
    assert_eq!(fs::read_dir(around.path()).unwrap().count(), 2, "something new beside the folder");
}

#[test]
fn nothing_leaves_the_folder() {
    use EntryType::{Directory as D, Link as L, Regular as F, Symlink as S};
    let attacks: &[Entries] = &[
        &[(F, "../secret", "x")],
        &[(F, "a/../../secret", "x")],
        &[(D, "..", "")],
        &[(S, "up", ".."), (F, "up/secret", "x")],
        &[(S, "up", ".."), (F, "up/new", "x")],
        &[(S, "up", ".."), (D, "up/dir", "")],
        &[(D, "d", ""), (S, "d/up", "../.."), (F, "d/up/secret", "x")],
        &[(S, "a", ".."), (S, "b", "a"), (F, "b/secret", "x")],
        &[(L, "hard", "../secret"), (F, "hard", "x")],
        &[(S, "up", ".."), (L, "hard", "up/secret")],
        &[(S, "s", "../secret"), (L, "hard", "s"), (F, "hard/x", "x")],
        // A directory that becomes a symlink after it was used.
        &[(D, "d", ""), (F, "d/f", ""), (F, "d/f", ""), (S, "d", ".."), (F, "d/secret", "x")],
    ];
    for attack in attacks {
        let around = surroundings();
        let done = unpack_in(&around, attack);
        assert!(done.is_err(), "{attack:?} went through");
        is_untouched(&around);
    }
}

#[test]
fn what_looks_like_an_attack_is_put_inside() {
    use EntryType::{Regular as F, Symlink as S};
    let around = surroundings();
    let out = around.path().join("out");
    // An absolute name is meant from the folder on, and a symlink is replaced by what comes under its name.
    unpack_in(&around, &[(F, "/etc/passwd", "x"), (S, "s", "../secret"), (F, "s", "new")]).unwrap();
    assert_eq!(fs::read_to_string(out.join("etc/passwd")).unwrap(), "x");
    assert_eq!(fs::read_to_string(out.join("s")).unwrap(), "new");
    is_untouched(&around);
}

#[test]
fn a_symlink_put_in_place_of_an_open_directory_is_not_entered() {
    let around = surroundings();
    let out = around.path().join("out");
    symlink("..", out.join("sub")).unwrap();
    assert!(unpack_in(&around, &[(EntryType::Regular, "sub/secret", "x")]).is_err());
    is_untouched(&around);
    // A directory of the archive takes the symlink's place.
    unpack_in(&around, &[(EntryType::Directory, "sub", ""), (EntryType::Regular, "sub/secret", "x")])
        .unwrap();
    assert_eq!(fs::read_to_string(out.join("sub/secret")).unwrap(), "x");
    is_untouched(&around);
}

#[test]
fn what_exceeds_a_bound_is_not_begun() {
    use EntryType::{Directory as D, Link as L, Regular as F, Symlink as S};
    let within = |max_bytes, max_entries, entries: Entries| {
        let around = surroundings();
        let place = Place::folder(&around.path().join("out")).unwrap();
        let options = Unpack { max_bytes, max_entries, ..Unpack::default() };
        let done = unpack(&*archive(entries), &place, options, &Meter::default());
        let mut names: Vec<_> =
            fs::read_dir(&place.folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort_unstable();
        (done, names)
    };
    let files: Entries = &[(F, "a", "12345"), (F, "b", "12345"), (F, "c", "")];
    assert!(within(Some(10), Some(3), files).0.is_ok());
    let (done, names) = within(Some(9), None, files);
    assert!(matches!(done, Err(Error::Exceeded { what: "bytes", most: 9 })), "{done:?}");
    assert_eq!(names, ["a"]);
    let (done, names) = within(None, Some(2), files);
    assert!(matches!(done, Err(Error::Exceeded { what: "entries", most: 2 })), "{done:?}");
    assert_eq!(names, ["a", "b"]);
    // Whatever makes something counts, folders that are only implied too.
    for entries in [&[(D, "d", ""), (S, "s", "x")][..], &[(F, "f", ""), (L, "l", "f")], &[(F, "d/f", "")]] {
        assert!(within(None, Some(1), entries).0.is_err(), "{entries:?}");
        assert!(within(None, Some(2), entries).0.is_ok(), "{entries:?}");
    }
    let deep = "d/".repeat(40) + "f";
    assert!(within(None, Some(30), &[(F, &deep, "")]).0.is_err());
}

#[test]
fn special_bits_and_devices_stay_out() {
    let around = surroundings();
    let entries: Entries = &[
        (EntryType::Regular, "suid", "x"),
        (EntryType::Char, "null", ""),
        (EntryType::Block, "disk", ""),
        (EntryType::Fifo, "fifo", ""),
    ];
    let meter = unpack_in(&around, entries).unwrap();
    let out = around.path().join("out");
    assert_eq!(fs::metadata(out.join("suid")).unwrap().permissions().mode() & 0o7777, 0o755);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
    assert_eq!(meter.progress(), crate::Progress { entries: 1, bytes: 1, skipped: 3 });
}

#[test]
fn an_archive_for_one_name_touches_no_other() {
    let around = surroundings();
    fs::create_dir(around.path().join("out/other")).unwrap();
    let place = Place::exactly(&around.path().join("out/mine")).unwrap();
    let refused = unpack_at(&place, &archive(&[(EntryType::Regular, "other/file", "x")]));
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    let refused = unpack_at(&place, &archive(&[(EntryType::Link, "mine", "other")]));
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    unpack_at(&place, &archive(&[(EntryType::Regular, "mine", "x")])).unwrap();
    assert_eq!(fs::read(around.path().join("out/mine")).unwrap(), b"x");
}

#[test]
fn a_symlink_that_the_caller_named_is_followed() {
    let around = surroundings();
    symlink("out", around.path().join("link")).unwrap();
    let place = Place::exactly(&around.path().join("link")).unwrap();
    unpack_at(&place, &archive(&[(EntryType::Directory, "link", ""), (EntryType::Regular, "link/f", "x")]))
        .unwrap();
    assert_eq!(fs::read(around.path().join("out/f")).unwrap(), b"x");
    assert!(around.path().join("link").is_symlink());
}

#[test]
fn half_an_archive_is_no_archive() {
    let around = surroundings();
    let whole = archive(&[(EntryType::Regular, "file", &"x".repeat(3000))]);
    let place = Place::folder(&around.path().join("out")).unwrap();
    for cut in [100, 600, 2000] {
        assert!(unpack_at(&place, &whole[..cut]).is_err(), "cut at {cut}");
    }
    assert!(unpack_at(&place, &[7; 4096]).is_err());
}

#[test]
fn headers_of_any_size_cost_little_memory() {
    let around = surroundings();
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(1 << 40);
    header.set_cksum();
    let endless = header.as_bytes().chain(io::repeat(b'a'));
    let place = Place::folder(&around.path().join("out")).unwrap();
    let refused = unpack(endless, &place, Unpack::default(), &Meter::default());
    assert!(matches!(&refused, Err(Error::Invalid(text)) if text.contains(OVER_BUDGET)), "{refused:?}");
}

#[test]
fn a_tree_comes_back_as_it_was() {
    let around = surroundings();
    let from = around.path().join("from");
    fs::create_dir_all(from.join("d/empty")).unwrap();
    fs::write(from.join("d/script"), "#!").unwrap();
    fs::set_permissions(from.join("d/script"), fs::Permissions::from_mode(0o751)).unwrap();
    fs::hard_link(from.join("d/script"), from.join("again")).unwrap();
    symlink("/not/there", from.join("link")).unwrap();
    fs::write(from.join("é".repeat(100)), "long").unwrap();
    let old = std::time::UNIX_EPOCH - std::time::Duration::from_millis(1500);
    File::options().write(true).open(from.join("d/script")).unwrap().set_modified(old).unwrap();
    let mut sparse = File::create(from.join("sparse")).unwrap();
    sparse.write_all(b"head").unwrap();
    sparse.set_len(10 << 20).unwrap();
    fs::set_permissions(from.join("d"), fs::Permissions::from_mode(0o555)).unwrap();

    let mut bytes = Vec::new();
    pack(&from, Path::new("to"), &mut bytes, &Meter::default()).unwrap();
    assert!(bytes.len() < 1 << 20, "the hole was packed: {} bytes", bytes.len());
    let to = around.path().join("out/to");
    unpack_at(&Place::exactly(&to).unwrap(), &bytes).unwrap();

    let script = fs::metadata(to.join("d/script")).unwrap();
    assert_eq!((script.mode() & 0o7777, script.modified().unwrap()), (0o751, old));
    assert_eq!(script.ino(), fs::metadata(to.join("again")).unwrap().ino());
    assert_eq!(fs::metadata(to.join("d")).unwrap().mode() & 0o7777, 0o555);
    assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("/not/there"));
    assert_eq!(fs::read(to.join("é".repeat(100))).unwrap(), b"long");
    let sparse = fs::metadata(to.join("sparse")).unwrap();
    assert_eq!(sparse.size(), 10 << 20);
    assert!(sparse.blocks() < 2048, "{} blocks", sparse.blocks());
    assert_eq!(fs::read(to.join("sparse")).unwrap()[..5], *b"head\0");
}

#[test]
fn decimal_times_go_both_ways() {
    for (text, time) in [
        ("7", Some((7, 0))),
        ("1.5", Some((1, 500_000_000))),
        ("-1.5", Some((-2, 500_000_000))),
        ("1.1234567899", Some((1, 123_456_789))),
        ("1.x", None),
        ("", None),
        ("99999999999999999999", None),
    ] {
        assert_eq!(parse_time(text), time, "{text}");
    }
}

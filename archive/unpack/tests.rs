//! Tar archives from untrusted sources. A box's root is the boundary of what they may do; in these tests it is the folder.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
};

use tar::{Builder, Header};
use tempfile::TempDir;

use nix::errno::Errno;

use super::*;
use crate::error::Error;

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

fn unpack_at(folder: &Path, bytes: &[u8]) -> Result<Meter> {
    let meter = Meter::default();
    unpack(bytes, folder, Rules::default(), &meter).map(|()| meter)
}

fn unpack_in(around: &TempDir, entries: Entries) -> Result<Meter> {
    unpack_at(&around.path().join("out"), &archive(entries))
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
        assert!(matches!(done, Err(Error::Invalid(_) | Error::System { .. })), "{attack:?}: {done:?}");
        is_untouched(&around);
    }
}

#[test]
fn an_absolute_name_is_meant_from_the_folder_on() {
    let around = surroundings();
    unpack_in(&around, &[(EntryType::Regular, "/etc/passwd", "x")]).unwrap();
    assert_eq!(fs::read_to_string(around.path().join("out/etc/passwd")).unwrap(), "x");
    is_untouched(&around);
}

#[test]
fn a_symlink_to_a_folder_is_gone_through_only_beneath_the_destination() {
    let around = surroundings();
    let out = around.path().join("out");
    symlink("..", out.join("up")).unwrap();
    fs::create_dir_all(out.join("usr/lib")).unwrap();
    symlink("usr/lib", out.join("lib")).unwrap();
    let file: Entries = &[(EntryType::Regular, "up/secret", "x")];
    assert!(matches!(unpack_in(&around, file), Err(Error::System { errno: Errno::EEXIST, .. })));
    is_untouched(&around);
    unpack_in(&around, &[(EntryType::Directory, "lib", ""), (EntryType::Regular, "lib/new", "x")]).unwrap();
    assert_eq!(fs::read(out.join("usr/lib/new")).unwrap(), b"x");
    assert!(out.join("lib").is_symlink());
}

#[test]
fn what_is_of_another_type_gives_way_only_when_asked() {
    use EntryType::{Directory as D, Regular as F, Symlink as S};
    let cases: &[(Entries, Errno)] = &[
        (&[(F, "folder", "x")], Errno::EISDIR),
        (&[(F, "link", "x")], Errno::EEXIST),
        (&[(D, "file", "")], Errno::EEXIST),
        (&[(D, "link", "")], Errno::EEXIST),
        (&[(S, "file", "x")], Errno::EEXIST),
        (&[(S, "folder", "x")], Errno::EISDIR),
    ];
    for (entries, expected) in cases {
        for replace in [false, true] {
            let around = surroundings();
            let out = around.path().join("out");
            fs::create_dir(out.join("folder")).unwrap();
            fs::write(out.join("file"), "old").unwrap();
            symlink("file", out.join("link")).unwrap();
            let rules = Rules { replace, ..Rules::default() };
            let done = unpack(&*archive(entries), &out, rules, &Meter::default());
            if replace {
                assert!(done.is_ok(), "{entries:?}: {done:?}");
                continue;
            }
            assert!(matches!(done, Err(Error::System { errno, .. }) if errno == *expected), "{entries:?}");
            assert_eq!(fs::read(out.join("file")).unwrap(), b"old", "{entries:?}");
            assert!(out.join("link").is_symlink() && out.join("folder").is_dir(), "{entries:?}");
        }
    }
}

#[test]
fn what_exceeds_a_bound_is_not_begun() {
    use EntryType::{Directory as D, Link as L, Regular as F, Symlink as S};
    let within = |max_bytes, max_entries, entries: Entries| {
        let around = surroundings();
        let out = around.path().join("out");
        let rules = Rules { max_bytes, max_entries, ..Rules::default() };
        let done = unpack(&*archive(entries), &out, rules, &Meter::default());
        let mut names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
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
        let (done, _) = within(None, Some(1), entries);
        assert!(matches!(done, Err(Error::Exceeded { what: "entries", most: 1 })), "{entries:?}: {done:?}");
        assert!(within(None, Some(2), entries).0.is_ok(), "{entries:?}");
    }
    let deep = "d/".repeat(40) + "f";
    let (done, _) = within(None, Some(30), &[(F, &deep, "")]);
    assert!(matches!(done, Err(Error::Exceeded { what: "entries", most: 30 })), "{done:?}");
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
fn half_an_archive_is_no_archive() {
    let around = surroundings();
    let whole = archive(&[(EntryType::Regular, "file", &"x".repeat(3000))]);
    let place = around.path().join("out");
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
    let refused = unpack(endless, &around.path().join("out"), Rules::default(), &Meter::default());
    assert!(
        matches!(&refused, Err(Error::Invalid(text)) if text.contains("extended headers")),
        "{refused:?}"
    );
}

#[test]
fn folders_get_what_the_archive_says_at_the_end_and_keep_what_they_had() {
    use EntryType::{Directory as D, Regular as F};
    let around = surroundings();
    let out = around.path().join("out");
    fs::create_dir(out.join("old")).unwrap();
    fs::set_permissions(out.join("old"), fs::Permissions::from_mode(0o711)).unwrap();
    unpack_in(
        &around,
        &[(D, "old", ""), (D, "new", ""), (F, "a/b", ""), (F, "new/late", ""), (F, "old/f", "")],
    )
    .unwrap();
    let mode = |name: &str| fs::metadata(out.join(name)).unwrap().mode() & 0o7777;
    assert_eq!([mode("old"), mode("new"), mode("a")], [0o711, 0o755, 0o755]);
    assert_eq!(fs::metadata(out.join("new")).unwrap().mtime(), 7);
}

#[test]
fn sparse_files_of_every_writer_get_their_holes_back() {
    let around = surroundings();
    let mut builder = Builder::new(Vec::new());
    let records = [("GNU.sparse.size", &b"2097152"[..]), ("GNU.sparse.map", b"1000000,3,2000000,4")];
    builder.append_pax_extensions(records).unwrap();
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(7);
    builder.append_data(&mut header, "sparse", &b"onetwo!"[..]).unwrap();
    let meter = unpack_at(&around.path().join("out"), &builder.into_inner().unwrap()).unwrap();
    let (bytes, path) = (1 << 21, around.path().join("out/sparse"));
    let content = fs::read(&path).unwrap();
    assert_eq!(content.len(), bytes);
    assert_eq!((&content[1_000_000..1_000_003], &content[2_000_000..2_000_004]), (&b"one"[..], &b"two!"[..]));
    assert_eq!(content.iter().filter(|byte| **byte != 0).count(), 7);
    assert!(fs::metadata(&path).unwrap().blocks() * 512 < 1 << 16);
    assert_eq!(meter.progress(), crate::Progress { entries: 1, bytes: bytes as u64, skipped: 0 });
    let rules = Rules { max_bytes: Some(100_000), ..Rules::default() };
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_path("hole").unwrap();
    header.as_gnu_mut().unwrap().set_real_size(100_001);
    header.set_size(0);
    header.set_cksum();
    let refused = unpack(&header.as_bytes()[..], &around.path().join("out"), rules, &Meter::default());
    assert!(matches!(refused, Err(Error::Exceeded { what: "bytes", .. })), "{refused:?}");
}

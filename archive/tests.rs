//! Trees that go through a stream and come back as they were; streams as a hostile guest sends them.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    sys::stat::{Mode, mkdirat},
};
use tempfile::TempDir;
use xattr::FileExt as _;

use crate::{
    Error, Folders, Meter, Progress, Result, Rules, pack, receive,
    record::{Meta, Record, RecordWriter},
    send, unpack,
};

fn sent(from: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    send(from, false, &mut bytes, &Meter::default()).unwrap();
    bytes
}

fn received(bytes: &[u8], to: &Path) -> Result<Progress> {
    let meter = Meter::default();
    receive(bytes, to, OsStr::new("name"), Rules::default(), &meter).map(|_| meter.progress())
}

fn tree() -> TempDir {
    let around = tempfile::tempdir().unwrap();
    let from = around.path().join("from");
    fs::create_dir_all(from.join("d/empty")).unwrap();
    fs::write(from.join("d/script"), "#!").unwrap();
    fs::set_permissions(from.join("d/script"), fs::Permissions::from_mode(0o751)).unwrap();
    fs::hard_link(from.join("d/script"), from.join("again")).unwrap();
    fs::hard_link(from.join("d/script"), from.join("d/empty/third")).unwrap();
    symlink("/not/there", from.join("link")).unwrap();
    fs::write(from.join("é".repeat(100)), "long").unwrap();
    let old = std::time::UNIX_EPOCH - std::time::Duration::from_millis(1500);
    File::options().write(true).open(from.join("d/script")).unwrap().set_modified(old).unwrap();
    let sparse = File::create(from.join("sparse")).unwrap();
    sparse.write_all_at(b"head", 0).unwrap();
    sparse.write_all_at(b"tail", 9 << 20).unwrap();
    sparse.set_len(20 << 30).unwrap();
    fs::set_permissions(from.join("d"), fs::Permissions::from_mode(0o555)).unwrap();
    around
}

fn is_the_tree(to: &Path) {
    let script = fs::metadata(to.join("d/script")).unwrap();
    let old = std::time::UNIX_EPOCH - std::time::Duration::from_millis(1500);
    assert_eq!((script.mode() & 0o7777, script.modified().unwrap()), (0o751, old));
    for name in ["again", "d/empty/third"] {
        assert_eq!(script.ino(), fs::metadata(to.join(name)).unwrap().ino(), "{name}");
    }
    assert_eq!(fs::metadata(to.join("d")).unwrap().mode() & 0o7777, 0o555);
    assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("/not/there"));
    assert_eq!(fs::read(to.join("é".repeat(100))).unwrap(), b"long");
    let sparse = File::open(to.join("sparse")).unwrap();
    let meta = sparse.metadata().unwrap();
    assert_eq!(meta.size(), 20 << 30);
    assert!(meta.blocks() < 2048, "{} blocks", meta.blocks());
    let mut piece = [0; 5];
    for (at, expected) in [(0, b"head\0"), (9 << 20, b"tail\0")] {
        sparse.read_exact_at(&mut piece, at).unwrap();
        assert_eq!(&piece, expected);
    }
}

#[test]
fn a_tree_comes_back_as_it_was_and_a_hole_costs_nothing() {
    let around = tree();
    let bytes = sent(&around.path().join("from"));
    assert!(bytes.len() < 1 << 20, "the hole was sent: {} bytes", bytes.len());
    received(&bytes, &around.path().join("to")).unwrap();
    is_the_tree(&around.path().join("to"));
}

#[test]
fn a_tree_comes_back_from_a_tar_archive() {
    let around = tree();
    // Holes of archives are read as zeros, so that their length costs time.
    File::options().write(true).open(around.path().join("from/sparse")).unwrap().set_len(20 << 20).unwrap();
    let mut bytes = Vec::new();
    pack(&around.path().join("from"), Path::new("to"), false, &mut bytes, &Meter::default()).unwrap();
    assert!(bytes.len() < 1 << 20, "the hole was packed: {} bytes", bytes.len());
    unpack(&*bytes, around.path(), Rules::default(), &Meter::default()).unwrap();
    File::options().write(true).open(around.path().join("to/sparse")).unwrap().set_len(20 << 30).unwrap();
    let file = File::options().write(true).open(around.path().join("to/d/script")).unwrap();
    drop(file);
    is_the_tree(&around.path().join("to"));
}

/// A folder in a folder in a folder, with a file in the innermost.
fn deep(top: &Path, levels: usize, name: &str) {
    fs::create_dir(top).unwrap();
    let root = open(top, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()).unwrap();
    let mut folders = Folders::new(root, OFlag::O_PATH).unwrap();
    for _ in 0..levels {
        mkdirat(folders.here(), name, Mode::S_IRWXU).unwrap();
        folders.enter(OsStr::new(name)).unwrap();
    }
    let flags = OFlag::O_CREAT | OFlag::O_WRONLY;
    drop(nix::fcntl::openat(folders.here(), "file", flags, Mode::S_IRUSR).unwrap());
}

fn depth_of(top: &Path, name: &str) -> usize {
    let root = open(top, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()).unwrap();
    let mut folders = Folders::new(root, OFlag::O_PATH).unwrap();
    while folders.enter(OsStr::new(name)).is_ok() {}
    nix::sys::stat::fstatat(folders.here(), "file", nix::fcntl::AtFlags::empty())
        .expect("the file at its end");
    let depth = folders.depth();
    while folders.leave().unwrap().is_some() {}
    assert_eq!(folders.depth(), 0);
    depth
}

/// Descriptors of this process that are open beneath `folder`, also where they lie too deep for a path.
fn open_beneath(folder: &Path) -> usize {
    let is_beneath = |link: std::io::Result<PathBuf>| match link {
        Ok(path) => path.starts_with(folder),
        Err(error) => error.raw_os_error() == Some(Errno::ENAMETOOLONG as i32),
    };
    let open = fs::read_dir("/proc/self/fd").unwrap();
    open.filter(|entry| is_beneath(fs::read_link(entry.as_ref().unwrap().path()))).count()
}

#[test]
fn a_tree_of_any_depth_costs_what_its_names_cost() {
    let around = tempfile::tempdir().unwrap();
    let (from, to) = (around.path().join("from"), around.path().join("to"));
    deep(&from, 6000, "d");
    let bytes = sent(&from);
    assert!(bytes.len() < 6000 * 64, "{} bytes", bytes.len());
    received(&bytes, &to).unwrap();
    assert_eq!(depth_of(&to, "d"), 6000);
    assert_eq!(open_beneath(around.path()), 0, "descriptors are left open");
    for top in [from, to] {
        assert!(std::process::Command::new("rm").arg("-r").arg(top).status().unwrap().success());
    }
}

#[test]
fn a_deep_tree_goes_through_a_tar_archive_too() {
    let around = tempfile::tempdir().unwrap();
    deep(&around.path().join("from"), 1500, "d");
    let mut bytes = Vec::new();
    pack(&around.path().join("from"), Path::new("to"), false, &mut bytes, &Meter::default()).unwrap();
    unpack(&*bytes, around.path(), Rules::default(), &Meter::default()).unwrap();
    assert_eq!(depth_of(&around.path().join("to"), "d"), 1500);
}

#[test]
fn a_folder_that_is_moved_away_is_no_way_out() {
    let around = tempfile::tempdir().unwrap();
    let top = around.path().join("top");
    deep(&top, 60, "d");
    fs::create_dir(around.path().join("elsewhere")).unwrap();
    let root = open(&top, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()).unwrap();
    let mut folders = Folders::new(root, OFlag::O_PATH).unwrap();
    while folders.enter(OsStr::new("d")).is_ok() {}
    fs::rename(top.join("d/d/d"), around.path().join("elsewhere/d")).unwrap();
    let way_up: nix::Result<Vec<_>> = std::iter::from_fn(|| folders.leave().transpose()).collect();
    assert_eq!(way_up, Err(Errno::ESTALE));
}

#[test]
fn what_says_nothing_true_of_its_size_is_read_to_its_end() {
    let around = tempfile::tempdir().unwrap();
    for name in ["/proc/cpuinfo", "/proc/self/status", "/sys/kernel/mm/transparent_hugepage/enabled"] {
        let Ok(expected) = fs::read(name) else { continue };
        let to = around.path().join("copy");
        received(&sent(Path::new(name)), &to).unwrap();
        // Some lines count things that go on.
        assert_eq!(fs::read(&to).unwrap()[..10], expected[..10], "{name}");
        let mut bytes = Vec::new();
        pack(Path::new(name), Path::new("packed"), false, &mut bytes, &Meter::default()).unwrap();
        unpack(&*bytes, around.path(), Rules::default(), &Meter::default()).unwrap();
        assert_eq!(fs::read(around.path().join("packed")).unwrap()[..10], expected[..10], "{name}");
    }
    let to = around.path().join("version");
    received(&sent(Path::new("/proc/version")), &to).unwrap();
    assert_eq!(fs::read(&to).unwrap(), fs::read("/proc/version").unwrap());
}

#[test]
fn where_a_file_goes_is_the_rule_of_docker_cp() {
    let around = tempfile::tempdir().unwrap();
    let at = |name: &str| around.path().join(name);
    fs::write(at("file"), "x").unwrap();
    fs::create_dir(at("empty")).unwrap();
    symlink("empty", at("link")).unwrap();
    symlink("target", at("file-link")).unwrap();
    fs::write(at("target"), "old").unwrap();
    let bytes = sent(&at("file"));
    for (to, made) in [
        ("empty", "empty/name"),
        ("new", "new"),
        ("new", "new"),
        ("slash/", "slash/name"),
        ("a/b/c", "a/b/c"),
        ("file-link", "target"),
    ] {
        received(&bytes, &at(to)).unwrap();
        assert_eq!(fs::read(at(made)).unwrap(), b"x", "{to}");
    }
    fs::remove_file(at("empty/name")).unwrap();
    received(&bytes, &at("link")).unwrap();
    assert_eq!(fs::read(at("empty/name")).unwrap(), b"x");
    assert!(at("link").is_symlink() && at("file-link").is_symlink());
}

#[test]
fn a_folder_that_is_merged_into_keeps_its_mode() {
    let around = tempfile::tempdir().unwrap();
    let at = |name: &str| around.path().join(name);
    fs::create_dir_all(at("from/sub")).unwrap();
    fs::create_dir_all(at("to/sub")).unwrap();
    for (name, mode) in [("from", 0o700), ("from/sub", 0o700), ("to", 0o1777), ("to/sub", 0o755)] {
        fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    received(&sent(&at("from")), &at("to")).unwrap();
    let mode = |name: &str| fs::metadata(at(name)).unwrap().mode() & 0o7777;
    assert_eq!([mode("to"), mode("to/sub")], [0o1777, 0o755]);
}

#[test]
fn attributes_are_kept_where_asked() {
    let around = tempfile::tempdir().unwrap();
    let (from, to) = (around.path().join("from"), around.path().join("to"));
    fs::create_dir(&from).unwrap();
    fs::write(from.join("file"), "").unwrap();
    let value = b"\x01\n=\0\xff";
    for name in [&from, &from.join("file")] {
        match File::open(name).unwrap().set_xattr("user.test", value) {
            Err(error) if error.raw_os_error() == Some(Errno::ENOTSUP as i32) => {
                eprintln!("skipped: the temporary folder has no extended attributes");
                return;
            }
            done => done.unwrap(),
        }
    }
    let mut bytes = Vec::new();
    send(&from, true, &mut bytes, &Meter::default()).unwrap();
    received(&bytes, &to).unwrap();
    received(&sent(&from), &around.path().join("without")).unwrap();
    for name in ["", "file"] {
        let of = |root: &Path| File::open(root.join(name)).unwrap().get_xattr("user.test").unwrap();
        assert_eq!(of(&to), Some(value.to_vec()));
        assert_eq!(of(&around.path().join("without")), None);
    }
}

fn stream(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = RecordWriter::new(&mut bytes).unwrap();
    for record in records {
        writer.write(record).unwrap();
        if let Record::Data { length, .. } = record {
            writer.data(&vec![b'x'; *length]).unwrap();
        }
    }
    bytes
}

fn folder(name: &str) -> Record {
    Record::Folder { name: OsString::from(name), meta: Meta { mode: 0o755, ..Meta::default() } }
}

fn file(name: &str, number: u32) -> Record {
    Record::File { name: OsString::from(name), meta: Meta::default(), size: 0, number }
}

fn link(name: &str, target: &str) -> Record {
    Record::Symlink { name: OsString::from(name), meta: Meta::default(), target: OsString::from(target) }
}

const FILE_END: Record = Record::FileEnd { length: 0 };
const END: Record = Record::End { skipped: 0 };

#[test]
fn nothing_leaves_the_destination() {
    let several = |number| Record::Link { name: OsString::from("hard"), number };
    let attacks: Vec<Vec<Record>> = vec![
        vec![folder("r"), file("..", 0), FILE_END],
        vec![folder("r"), file("a/b", 0), FILE_END],
        vec![folder("r"), file("", 0), FILE_END],
        vec![folder("r"), folder("..")],
        vec![folder("r"), link("up", ".."), folder("up"), file("secret", 0), FILE_END],
        vec![folder("r"), link("up", "/"), folder("up")],
        vec![folder("r"), link("up", "secret"), file("up", 0), FILE_END],
        vec![folder("r"), several(1)],
        vec![folder("r"), Record::Leave, Record::Leave],
        vec![folder("r"), Record::Leave, folder("again")],
        vec![folder("r"), END],
        vec![folder("r"), Record::Data { at: 0, length: 1 }],
        vec![folder("r"), FILE_END],
        vec![folder("r"), file("f", 0), folder("in a file")],
        vec![folder("r"), file("f", 0), Record::Data { at: 5, length: 1 }, Record::Data { at: 5, length: 1 }],
        vec![folder("r"), file("f", 0), Record::Data { at: 5, length: 1 }, Record::FileEnd { length: 3 }],
        vec![folder("r"), file("f", 0), Record::Data { at: u64::MAX, length: 1 }],
        vec![file("f", 0), FILE_END, file("g", 0)],
        vec![Record::Leave],
        vec![FILE_END],
    ];
    for attack in attacks {
        let around = tempfile::tempdir().unwrap();
        fs::create_dir(around.path().join("out")).unwrap();
        fs::write(around.path().join("secret"), "secret").unwrap();
        let done = received(&stream(&attack), &around.path().join("out"));
        assert!(matches!(done, Err(Error::Invalid(_) | Error::System { .. })), "{attack:?}: {done:?}");
        assert_eq!(fs::read(around.path().join("secret")).unwrap(), b"secret");
        assert_eq!(
            fs::read_dir(around.path()).unwrap().count(),
            2,
            "{attack:?}: something new beside the folder"
        );
    }
}

#[test]
fn a_folder_goes_through_a_symlink_that_leads_beneath_the_destination() {
    let around = tempfile::tempdir().unwrap();
    let to = around.path().join("to");
    fs::create_dir_all(to.join("usr/lib")).unwrap();
    fs::create_dir_all(around.path().join("elsewhere")).unwrap();
    symlink("usr/lib", to.join("lib")).unwrap();
    symlink(to.join("usr"), to.join("whole")).unwrap();
    symlink("../elsewhere", to.join("up")).unwrap();
    let into = |name| {
        stream(&[folder("r"), folder(name), file("f", 0), FILE_END, Record::Leave, Record::Leave, END])
    };
    received(&into("lib"), &to).unwrap();
    received(&into("whole"), &to).unwrap();
    assert!(to.join("usr/lib/f").is_file() && to.join("usr/f").is_file() && to.join("lib").is_symlink());
    let refused = received(&into("up"), &to);
    assert!(matches!(refused, Err(Error::System { errno: Errno::EEXIST, .. })), "{refused:?}");
    assert_eq!(fs::read_dir(around.path().join("elsewhere")).unwrap().count(), 0);
}

#[test]
fn half_a_stream_is_no_tree() {
    let around = tree();
    fs::remove_file(around.path().join("from/sparse")).unwrap();
    let whole = sent(&around.path().join("from"));
    for cut in (0..whole.len()).step_by(7) {
        let to = around.path().join(format!("to-{cut}"));
        assert!(received(&whole[..cut], &to).is_err(), "cut at {cut}");
    }
    assert!(received(&[7; 4096], &around.path().join("noise")).is_err());
}

#[test]
fn what_exceeds_a_bound_is_not_begun() {
    let around = tempfile::tempdir().unwrap();
    let bytes = |max_bytes, max_entries, records: &[Record], to: &str| {
        let rules = Rules { max_bytes, max_entries, ..Rules::default() };
        let to = around.path().join(to);
        let done = receive(&*stream(records), &to, OsStr::new("n"), rules, &Meter::default());
        (done, fs::read_dir(&to).map_or(0, Iterator::count))
    };
    let large = Record::File { name: "b".into(), meta: Meta::default(), size: 10, number: 0 };
    let files = [folder("r"), file("a", 0), FILE_END, large];
    let (done, made) = bytes(Some(9), None, &files, "size");
    assert!(matches!(done, Err(Error::Exceeded { what: "bytes", most: 9 })), "{done:?}");
    assert_eq!(made, 1);
    // One that lies about its size is ended where it does, holes included.
    let liar = [folder("r"), file("a", 0), Record::FileEnd { length: 10 }];
    assert!(matches!(bytes(Some(9), None, &liar, "liar").0, Err(Error::Exceeded { .. })));
    let data = [folder("r"), file("a", 0), Record::Data { at: 0, length: 10 }];
    assert!(matches!(bytes(Some(9), None, &data, "data").0, Err(Error::Exceeded { .. })));
    let (done, made) =
        bytes(None, Some(2), &[folder("r"), folder("a"), Record::Leave, link("l", "x")], "few");
    assert!(matches!(done, Err(Error::Exceeded { what: "entries", most: 2 })), "{done:?}");
    assert_eq!(made, 1);
}

#[test]
fn special_bits_stay_out_and_devices_are_counted() {
    let around = tempfile::tempdir().unwrap();
    let from: PathBuf = around.path().join("from");
    fs::create_dir(&from).unwrap();
    fs::write(from.join("suid"), "x").unwrap();
    fs::set_permissions(from.join("suid"), fs::Permissions::from_mode(0o6755)).unwrap();
    nix::unistd::mkfifo(&from.join("fifo"), Mode::S_IRWXU).unwrap();
    let (to, meter) = (around.path().join("to"), Meter::default());
    let skipped = receive(&*sent(&from), &to, OsStr::new("n"), Rules::default(), &meter).unwrap();
    assert_eq!(skipped, 1);
    assert_eq!(meter.progress(), Progress { entries: 2, bytes: 1, skipped: 0 });
    assert_eq!(fs::metadata(to.join("suid")).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(fs::read_dir(&to).unwrap().count(), 1);
}

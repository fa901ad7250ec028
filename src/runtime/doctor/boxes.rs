//! What the doctor finds in the boxes of a home: made by a newer version, damaged, or left as killed processes leave them.
//! Called by `doctor`. It only reads and never waits for a lock.

use std::{fs, path::Path};

use boxlite_error::{ErrorCode, Term, text};
use nix::unistd::Uid;

use crate::{
    doctor::DoctorCheck,
    litebox::lifecycle::observed_state::ObservedState,
    state::{
        config::ConfigFile,
        json_file,
        layout::{BoxPaths, FilesystemLayout},
        lock,
    },
};

/// How many names a message holds.
const NAMED: usize = 5;

/// What is amiss in a home, each as the names of what it concerns.
#[derive(Debug, Default)]
struct Findings {
    newer: Vec<String>,
    damaged: Vec<String>,
    /// Boxes and folders that the next opening of the home will correct.
    stale: Vec<String>,
    /// Processes of removed boxes.
    orphans: Vec<String>,
}

/// Every check of the boxes in `home`, which may not be there yet.
pub(super) fn examine(home: &Path) -> Vec<DoctorCheck> {
    let Some(layout) = FilesystemLayout::existing(home) else { return vec![] };
    let ids = layout.box_ids().unwrap_or_default();
    let mut findings = Findings { orphans: orphans(&layout), ..Findings::default() };
    for id in &ids {
        findings.look_at(id, &layout.of_box(id));
    }
    findings.checks(ids.len())
}

impl Findings {
    fn look_at(&mut self, id: &str, paths: &BoxPaths) {
        match ConfigFile::read(paths) {
            Err(error) if error.code() == ErrorCode::HomeIncompatible => self.newer.push(id.to_owned()),
            Err(error) if error.code() == ErrorCode::StorageCorrupt => self.damaged.push(id.to_owned()),
            // It was removed meanwhile, or the home can't be read, which the home's own check reports.
            Err(_) => {}
            // It is locked: another process is making or removing it.
            Ok(None) => {
                if paths.dir().is_dir() && !lock::is_held(&paths.lock()).unwrap_or(true) {
                    self.stale.push(id.to_owned());
                }
            }
            Ok(Some(file)) => {
                let under_way = lock::is_held(&paths.lock()).unwrap_or(true);
                let stale = ObservedState::of(paths, &file.config).is_ok_and(|state| state.stale);
                if !under_way && (stale || json_file::drafts(paths.dir()).next().is_some()) {
                    self.stale.push(id.to_owned());
                }
            }
        }
    }

    fn checks(&self, boxes: usize) -> Vec<DoctorCheck> {
        let newer = "boxes that a newer version of boxlite made, which this one leaves alone";
        let cleared = text!["nothing is lost: the next ", Term::RuntimeOpen, " of this home clears them"];
        let orphans = "processes that hold the disk of a box that is gone";
        let found: Vec<_> = [
            ("boxes_newer", newer, &self.newer, "use that version, or another `home`".into()),
            ("boxes_damaged", "boxes whose `config.json` can't be read", &self.damaged, json_file::remedy()),
            ("leftovers", "boxes as a killed process left them", &self.stale, cleared),
            ("leftover_processes", orphans, &self.orphans, "end them: `kill PID`".into()),
        ]
        .into_iter()
        .filter(|(_, _, names, _)| !names.is_empty())
        .map(|(code, what, names, remedy)| {
            DoctorCheck::bad(code, format!("{what}: {}", named(names)), remedy)
        })
        .collect();
        if found.is_empty() {
            return vec![DoctorCheck::good("boxes", format!("{boxes} in the home, nothing left over"))];
        }
        found
    }
}

fn named(names: &[String]) -> String {
    let first = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED { format!("{first} and {} more", names.len() - NAMED) } else { first }
}

/// This user's processes that hold the lock of a shim whose box has no config any more, as `PID (NAME)`.
fn orphans(layout: &FilesystemLayout) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let held = |pid: &Path| {
        let files = fs::read_dir(pid.join("fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|path| is_of_no_box(layout, &path))
    };
    processes
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse::<u32>().ok()?;
            // Other users' descriptors can't be read, and root would have to read those of all.
            let mine = nix::sys::stat::stat(&entry.path())
                .is_ok_and(|stat| stat.st_uid == Uid::effective().as_raw());
            let name = fs::read_to_string(entry.path().join("comm")).ok()?;
            let ours = name.starts_with("boxlite-") || name.starts_with("qemu-system");
            (mine && ours && held(&entry.path())).then(|| format!("{pid} ({})", name.trim()))
        })
        .collect()
}

/// Whether `path`, as the kernel names an open file, is the lock of a shim in this home whose box was removed.
fn is_of_no_box(layout: &FilesystemLayout, path: &Path) -> bool {
    let Ok(rest) = path.strip_prefix(layout.boxes()) else { return false };
    let mut parts = rest.iter().filter_map(|part| part.to_str());
    match (parts.next(), parts.next(), parts.next()) {
        // What was removed has this behind its name (proc(5)).
        (Some(_), Some("shim.lock (deleted)"), None) => true,
        (Some(id), Some("shim.lock"), None) => !layout.of_box(id).config().exists(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        litebox::lifecycle::state::BoxState, options::box_options::BoxOptions, state::config::BoxConfig,
        state::lock::FileLock, state::lock::Mode, state::record::BoxRecord,
    };

    struct Home {
        folder: tempfile::TempDir,
        layout: FilesystemLayout,
    }

    impl Home {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let layout = FilesystemLayout::create(folder.path()).unwrap();
            Self { folder, layout }
        }

        /// A box at rest.
        fn make(&self, id: &str) -> BoxPaths {
            let paths = self.layout.of_box(id);
            paths.create().unwrap();
            FileLock::make(&paths.lock()).unwrap();
            BoxConfig::new(id.to_owned(), 0, BoxOptions::new("x")).save(&paths).unwrap();
            paths
        }

        fn found(&self) -> Vec<(String, bool)> {
            examine(self.folder.path()).into_iter().map(|check| (check.code, check.ok)).collect()
        }
    }

    fn bad(code: &str) -> Vec<(String, bool)> {
        vec![(code.to_owned(), false)]
    }

    #[test]
    fn a_home_in_order_is_one_line_and_none_that_is_not_there() {
        let home = Home::new();
        home.make("0123456789ab");
        assert_eq!(home.found(), [("boxes".to_owned(), true)]);
        assert_eq!(examine(&home.folder.path().join("none")), []);
    }

    #[test]
    fn a_box_of_a_newer_version_is_told_from_a_damaged_one() {
        let home = Home::new();
        let paths = home.make("0123456789ab");
        std::fs::write(paths.config(), r#"{"version": 99, "shape": "unknown"}"#).unwrap();
        assert_eq!(home.found(), bad("boxes_newer"));
        std::fs::write(paths.config(), r#"{"version": 1"#).unwrap();
        assert_eq!(home.found(), bad("boxes_damaged"));
    }

    #[test]
    fn what_killed_processes_leave_is_found_and_what_living_ones_are_at_is_not() {
        let home = Home::new();
        // The folder has no box yet, or no longer.
        let half = home.layout.of_box("0123456789aa");
        half.create().unwrap();
        FileLock::make(&half.lock()).unwrap();
        assert_eq!(home.found(), bad("leftovers"));
        let lock = FileLock::try_take(&half.lock(), Mode::Exclusive).unwrap();
        assert_eq!(home.found(), [("boxes".to_owned(), true)]);
        drop(lock);
        fs::remove_dir_all(half.dir()).unwrap();
        // Its record says that it runs, but its shim's lock is free.
        let paths = home.make("0123456789ab");
        BoxRecord { state: BoxState::Running, ..BoxRecord::created() }.save(&paths).unwrap();
        assert_eq!(home.found(), bad("leftovers"));
    }

    #[test]
    fn only_the_lock_of_a_box_that_is_gone_makes_an_orphan() {
        let home = Home::new();
        let paths = home.make("0123456789ab");
        let gone = |path: &Path| is_of_no_box(&home.layout, path);
        assert!(!gone(&paths.shim_lock()));
        assert!(!gone(Path::new("/elsewhere/boxes/0123456789ab/shim.lock (deleted)")));
        assert!(!gone(&paths.dir().join("disk.qcow2 (deleted)")));
        assert!(gone(&paths.dir().join("shim.lock (deleted)")));
        fs::remove_file(paths.config()).unwrap();
        assert!(gone(&paths.shim_lock()));
    }
}

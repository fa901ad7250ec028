//! `UnreadableBox`: a box whose `config.json` is damaged, or was written by a newer version. It is listed as failed, takes its name
//! as long as that can be read, keeps its image if its disk names one, can be removed by force, and touches no other box. Made by
//! `box_manager`, told by `runtime`.

use std::{fs, io, path::Path, sync::Arc};

use boxlite_disk::base_digest;
use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};

use crate::{
    blocking::blocking,
    home::open_home::Shared,
    litebox::{lifecycle::state::BoxState, observation::info::BoxInfo},
    options::labels::Labels,
    pipeline::timings::Timings,
    shim::process::Presence,
    state::{
        id,
        layout::{BoxPaths, FilesystemLayout},
        lock::FileLock,
    },
};

/// Where the name stands in a file of which the rest is beyond repair: near the beginning.
const BEGINNING: usize = 64 << 10;

/// What is known of such a box.
#[derive(Debug)]
pub(crate) struct UnreadableBox {
    id: String,
    name: Option<String>,
    /// When its folder was made or last changed.
    created_at_ms: u64,
    pid: Option<u32>,
    why: String,
}

impl UnreadableBox {
    /// Whether an error says that a box can't be read.
    pub(crate) fn is_told_by(error: &BoxliteError) -> bool {
        matches!(error.code(), ErrorCode::StorageCorrupt | ErrorCode::StorageIo | ErrorCode::HomeIncompatible)
    }

    /// The box in the folder of this id, which could not be read for `error`.
    pub(crate) fn new(layout: &FilesystemLayout, id: &str, error: &BoxliteError) -> Self {
        let paths = layout.of_box(id);
        let made = fs::metadata(paths.dir()).and_then(|meta| meta.created().or_else(|_| meta.modified()));
        let since = made.ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let pid = match Presence::of(&paths.shim_lock()) {
            Ok(Presence::Alive(process)) => Some(process.identity.pid),
            _ => None,
        };
        Self {
            id: id.to_owned(),
            name: name_in(&paths.config()),
            created_at_ms: since.and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or(0),
            pid,
            why: error.to_string(),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// As a list shows it: failed, and why.
    pub(crate) fn info(&self) -> BoxInfo {
        BoxInfo {
            id: self.id.clone(),
            name: self.name.clone(),
            labels: Labels::new(),
            image: String::new(),
            image_digest: None,
            state: BoxState::Failed,
            engine: None,
            accelerated: None,
            pid: self.pid,
            cpus: 0,
            memory_mib: 0,
            next_cpus: None,
            next_memory_mib: None,
            pids_limit: 0,
            max_lifetime_ms: 0,
            idle_timeout_ms: 0,
            ends_at_ms: 0,
            disk_size_mib: None,
            created_at_ms: self.created_at_ms,
            failure: Some(self.why.clone()),
            health: None,
            detached: false,
            auto_remove: false,
            timings: Timings::default(),
        }
    }
}

/// The name in a config of which something else is wrong.
fn name_in(config: &Path) -> Option<String> {
    let mut text = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(fs::File::open(config).ok()?, BEGINNING as u64), &mut text)
        .ok()?;
    // As it is written: a field a line, those of the box indented by two.
    let text = String::from_utf8_lossy(&text);
    let name = text.lines().find_map(|line| line.strip_prefix("  \"name\": "))?;
    serde_json::from_str(name.trim_end_matches(',')).ok().flatten()
}

/// The digest of the image that such a box was made of, by its disk. `None`: its disk is missing or damaged too, so that it
/// needs none.
///
/// # Errors
/// `STORAGE_IO` when its disk is there and can't be read: it may need any.
pub(crate) fn image_of(paths: &BoxPaths) -> BoxliteResult<Option<String>> {
    Ok(base_digest(&paths.disk())?)
}

impl Shared {
    /// Removes a box that can't be read, running or not.
    pub(crate) async fn remove_unreadable(self: &Arc<Self>, id_or_name: &str) -> BoxliteResult<()> {
        let shared = Arc::clone(self);
        let wanted = id_or_name.to_owned();
        let found = blocking("find a box", move || {
            let found = shared.look_at_all()?.1.into_iter();
            Ok(found
                .map(|one| (one.id().to_owned(), one.name))
                .find(|(id, name)| *id == wanted || name.as_ref() == Some(&wanted)))
        })
        .await?;
        let Some((id, _)) = found.filter(|(id, _)| id::is_one(id)) else {
            let message = format!("remove box {id_or_name:?}: it is gone");
            return Err(BoxliteError::new(ErrorCode::BoxNotFound, message));
        };
        let paths = self.layout.of_box(&id);
        FileLock::make(&paths.lock())?;
        let _lock = FileLock::of_box(&paths.lock(), &id).await?;
        if let Presence::Alive(process) = Presence::settled(&paths.shim_lock()).await? {
            process.kill();
            let ended = process.ended().await;
            ended.map_err(|error| BoxliteError::io("watch the shim of box", paths.dir(), error))?;
            Presence::settled(&paths.shim_lock()).await?;
        }
        self.boxes.forget(&id);
        blocking("remove a box", move || {
            paths.remove_sockets();
            let _ = fs::remove_file(paths.config());
            fs::remove_dir_all(paths.dir())
                .map_err(|error| BoxliteError::io("remove box", paths.dir(), error))
        })
        .await?;
        tracing::info!(box_id = id, "a box that could not be read was removed");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_what_is_left_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.json");
        let name = |text: &str| {
            fs::write(&config, text).unwrap();
            name_in(&config)
        };
        let whole = "{\n  \"version\": 1,\n  \"name\": \"web\",\n  \"labels\": {\n    \"name\": \"no\"\n";
        assert_eq!(name(whole).as_deref(), Some("web"));
        assert_eq!(name("{\n  \"name\": null,\n"), None);
        assert_eq!(name("{\n  \"name\": \"we"), None);
        assert_eq!(name("\0\0\0"), None);
        assert_eq!(name_in(Path::new("/nowhere")), None);
    }
}

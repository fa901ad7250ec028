//! `BoxConfig`: what a box is, as `config.json` has it. That file makes a folder a box. It is written under the box's lock and read by
//! any process.

use std::{fs, os::unix::fs::MetadataExt, sync::Arc};

use boxlite_durable::if_exists;
use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Term, text};
use boxlite_images::ImageConfig;
use serde::{Deserialize, Serialize};

use crate::{
    events::bus::EventBus,
    litebox::{lifecycle::state::BoxState, network::control::Control},
    network::watch::NetworkWatch,
    options::{
        box_options::BoxOptions,
        labels::{self, Labels},
    },
    state::{
        json_file::{self, Durability},
        layout::BoxPaths,
        record::MachineSize,
    },
};

/// Raised when a field changes meaning.
const VERSION: u32 = 1;

/// Most bytes of the options of a box in its file: environment, labels, command lines and all else in sum.
const OPTIONS: usize = 1 << 20;
/// Most bytes of what an image says of its processes. Both together fit in a file that can be read again, whatever they are.
const IMAGE: usize = 2 << 20;

/// What the box is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BoxConfig {
    version: u32,
    pub(crate) id: String,
    pub(crate) created_at_ms: u64,
    /// As they were given and amended since; `disk_size_mib` becomes what it is at the first start.
    #[serde(flatten)]
    pub(crate) options: BoxOptions,
    /// What `image` meant when the box first started; it means that for the rest of the box's life.
    pub(crate) resolved: Option<ResolvedImage>,
}

/// An image, fixed by digest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ResolvedImage {
    /// Digest of the manifest for this machine's platform.
    pub(crate) digest: String,
    /// What the image says of its processes.
    pub(crate) config: ImageConfig,
}

impl BoxConfig {
    pub(crate) fn new(id: String, created_at_ms: u64, options: BoxOptions) -> Self {
        Self { version: VERSION, id, created_at_ms, options, resolved: None }
    }

    /// Refuses options that are too large to be stored. Checked before anything is made or changed.
    pub(crate) fn check_size(&self) -> BoxliteResult<()> {
        let size = json_file::size(&self.options);
        if size <= OPTIONS {
            return Ok(());
        }
        let BoxOptions { env, labels, supervision, network, secrets, .. } = &self.options;
        let parts = [
            ("env", json_file::size(env)),
            ("labels", json_file::size(labels)),
            ("main process and health check", json_file::size(supervision)),
            ("network", json_file::size(network)),
            ("secrets", json_file::size(secrets)),
        ];
        let parts = parts.map(|(name, size)| format!("{name} {size}")).join(", ");
        Err(BoxliteError::invalid(format!(
            "options of a box: together they must take at most {OPTIONS} bytes: {size} ({parts})"
        ))
        .hint(text![
            "write what is large into the box's files, with ",
            Term::WriteFile,
            " or ",
            Term::CopyIn
        ]))
    }

    /// Refuses an image whose configuration is too large to be stored. Checked before its disk is made.
    pub(crate) fn check_image(&self, image: &ImageConfig) -> BoxliteResult<()> {
        let size = json_file::size(image);
        if size <= IMAGE {
            return Ok(());
        }
        let (labels, env) = (json_file::size(&image.labels), json_file::size(&image.env));
        let message = format!(
            "start box `{}`: the configuration of image `{}` takes {size} bytes, of at most {IMAGE} ({labels} of them labels, {env} env)",
            self.id, self.options.image,
        );
        Err(BoxliteError::new(ErrorCode::ImageTooLarge, message))
    }

    /// Its labels over its image's, as far as that is known.
    pub(crate) fn labels(&self) -> Labels {
        labels::merged(self.resolved.as_ref().map(|image| &image.config.labels), &self.options.labels)
    }

    pub(crate) fn save(&self, paths: &BoxPaths) -> BoxliteResult<()> {
        json_file::write(&paths.config(), self, Durability::Flushed)
    }

    /// Refuses to start a box whose end has come.
    pub(crate) fn check_due(&self, now_ms: u64) -> BoxliteResult<()> {
        let ends_at_ms = self.options.supervision.ends_at_ms;
        if ends_at_ms == 0 || now_ms < ends_at_ms {
            return Ok(());
        }
        let late = now_ms - ends_at_ms;
        let its = format!("start box `{}`: its ", self.id);
        let message = text![its, Term::Option("ends_at_ms"), format!(" was {late} ms ago")];
        Err(BoxliteError::new(ErrorCode::BoxState, message)
            .hint(text!["give it another with ", Term::BoxUpdateEnd]))
    }

    /// The size of a machine that is started now.
    pub(crate) const fn size(&self) -> MachineSize {
        MachineSize { cpus: self.options.cpus, memory_mib: self.options.memory_mib }
    }

    /// The state of a box that nothing is known to have happened to.
    pub(crate) const fn rest(&self) -> BoxState {
        if self.resolved.is_some() { BoxState::Stopped } else { BoxState::Created }
    }

    /// What this process learns of the network of a running machine; `None` if the box has none.
    pub(crate) fn network_watch(
        &self,
        paths: &BoxPaths,
        events: &Arc<EventBus>,
    ) -> Option<Arc<NetworkWatch>> {
        let control = || Control::new(&self.id, paths.control_socket());
        self.options
            .network
            .is_some()
            .then(|| NetworkWatch::new(&self.id, events, control(), &paths.counters()))
    }

    /// The host name inside: an explicit one, else the box's name where that is one, else its id.
    pub(crate) fn hostname(&self) -> &str {
        let is_hostname = |name: &&str| !name.contains('_') && !name.ends_with('.');
        let name = self.options.name.as_deref().filter(is_hostname);
        self.options.hostname.as_deref().or(name).unwrap_or(&self.id)
    }
}

/// The config of a box as it was read, and which file that was: it is replaced whole when another process amends it.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    pub(crate) config: BoxConfig,
    stamp: Stamp,
}

/// Inode and modification time in nanoseconds.
type Stamp = (u64, i64, i64);

impl ConfigFile {
    /// Reads it. Returns `None` if there is no such box.
    ///
    /// # Errors
    /// `HOME_INCOMPATIBLE` if a newer version wrote it; `STORAGE_CORRUPT`; `STORAGE_IO`.
    pub(crate) fn read(paths: &BoxPaths) -> BoxliteResult<Option<Self>> {
        let Some(stamp) = stamp(paths)? else { return Ok(None) };
        // First of all, so that what a newer version wrote is not taken for damaged.
        let version = json_file::read::<Versioned>(&paths.config())?.map(|file| file.version);
        if let Some(version) = version.filter(|&version| version > VERSION) {
            let file = paths.config();
            let message = format!(
                "read `{}`: a newer boxlite wrote it, in version {version}; this one knows {VERSION}",
                file.display()
            );
            return Err(BoxliteError::new(ErrorCode::HomeIncompatible, message)
                .hint("use that boxlite for this home, or another `home` with this one"));
        }
        // Replaced in this moment, it is read once more the next time.
        let Some(config) = json_file::read::<BoxConfig>(&paths.config())? else { return Ok(None) };
        // Every option has a default but this one, without which no box was ever made.
        if config.options.image.is_empty() {
            return Err(json_file::invalid(&paths.config(), "it names no `image`"));
        }
        Ok(Some(Self { config, stamp }))
    }

    /// Reads it again if it was replaced. Returns `false` if the box is gone.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn refresh(&mut self, paths: &BoxPaths) -> BoxliteResult<bool> {
        match stamp(paths)? {
            Some(stamp) if stamp == self.stamp => Ok(true),
            Some(_) => Ok(Self::read(paths)?.map(|read| *self = read).is_some()),
            None => Ok(false),
        }
    }
}

/// What every version's file has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn stamp(paths: &BoxPaths) -> BoxliteResult<Option<Stamp>> {
    let found = if_exists(fs::metadata(paths.config()));
    let meta = found.map_err(|error| BoxliteError::io("look at", &paths.config(), error))?;
    Ok(meta.map(|meta| (meta.ino(), meta.mtime(), meta.mtime_nsec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `config.json` as it was before boxes had labels, supervision and limits.
    const OLD: &str = r#"{
        "version": 1, "id": "abc", "name": "web", "created_at_ms": 7, "image": "debian", "cpus": 2, "memory_mib": 256,
        "env": [["A", "b"]], "workdir": null, "user": "1000", "hostname": null, "resolved": null
    }"#;

    #[test]
    fn a_box_that_is_older_than_some_options_has_their_defaults() {
        let config: BoxConfig = serde_json::from_str(OLD).unwrap();
        let BoxOptions { name, cpus, env, user, detached, labels, pids_limit, .. } = &config.options;
        assert_eq!((name.as_deref(), *cpus, user.as_deref()), (Some("web"), 2, Some("1000")));
        assert_eq!(env, &[("A".to_owned(), "b".to_owned())]);
        assert_eq!((*detached, labels.len(), *pids_limit), (false, 0, None));
        // Boxes had no network then, and are not given one unasked.
        assert_eq!((&config.options.network, config.options.ports.len()), (&None, 0));
    }

    #[test]
    fn whatever_passes_the_checks_can_be_written_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let paths =
            crate::state::layout::FilesystemLayout::create(folder.path()).unwrap().of_box("0123456789ab");
        paths.create().unwrap();
        // What takes most in JSON: a control character is six bytes of it.
        let worst = |bytes: usize| "\u{1}".repeat(bytes / 6);
        let with = |bytes: usize| {
            let mut options = BoxOptions::new("debian");
            options.env.push(("A".into(), worst(bytes)));
            BoxConfig::new("0123456789ab".into(), 7, options)
        };
        let mut config = with(OPTIONS - 4096);
        config.check_size().unwrap();
        let image = ImageConfig { env: vec![worst(IMAGE - 4096)], ..Default::default() };
        config.check_image(&image).unwrap();
        config.resolved = Some(ResolvedImage { digest: "sha256:0".into(), config: image });
        config.save(&paths).unwrap();
        assert_eq!(
            ConfigFile::read(&paths).unwrap().unwrap().config.options.env[0].1.len(),
            (OPTIONS - 4096) / 6
        );
        let error = with(OPTIONS).check_size().unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert!(error.to_string().contains("env 10"), "{error}");
        let large =
            ImageConfig { labels: Labels::from([("a".into(), "x".repeat(5 << 20))]), ..Default::default() };
        assert_eq!(config.check_image(&large).unwrap_err().code(), ErrorCode::ImageTooLarge);
    }

    #[test]
    fn a_file_without_an_image_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let paths =
            crate::state::layout::FilesystemLayout::create(folder.path()).unwrap().of_box("0123456789ab");
        paths.create().unwrap();
        for text in [OLD.replace("\"image\": \"debian\", ", ""), OLD.replace("\"debian\"", "\"\"")] {
            assert_ne!(text, OLD);
            fs::write(paths.config(), text).unwrap();
            let error = ConfigFile::read(&paths).unwrap_err();
            assert_eq!(error.code(), ErrorCode::StorageCorrupt);
            assert!(error.to_string().contains("config.json"), "{error}");
            assert!(error.hint_text().is_some());
        }
    }

    #[test]
    fn options_stand_beside_the_id_as_they_always_did() {
        let config: BoxConfig = serde_json::from_str(OLD).unwrap();
        let written = serde_json::to_value(&config).unwrap();
        assert_eq!((&written["image"], &written["memory_mib"]), (&"debian".into(), &256.into()));
    }
}

//! The start pipeline: image → rootfs → disk → spawn → ready → guest → container. Run once for each start, by
//! `litebox::lifecycle`.
//!
//! Each stage is timed and named in its failure. A failure takes back what this run made: the overlay of a first
//! start, the sockets, the shim. What is worth keeping (pulled blobs, the merged disk) stays in the cache.

pub(crate) mod boot;
pub(crate) mod boot_timeout;
pub(crate) mod disk;
pub(crate) mod timings;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use boxlite_error::{BoxliteResult, Stage};
use boxlite_images::Hold;

use crate::{
    blocking::blocking,
    home::open_home::OpenHome,
    litebox::lifecycle::machine::Machine,
    network::free_ports,
    pipeline::{boot_timeout::BootTimeout, timings::Timings},
    state::{config::BoxConfig, layout::BoxPaths, lock::FileLock},
};

/// What a start needs and gathers.
pub(crate) struct Pipeline {
    pub(crate) home: Arc<OpenHome>,
    pub(crate) paths: BoxPaths,
    pub(crate) config: BoxConfig,
    pub(crate) timings: Mutex<Timings>,
    /// The right to change the box: what goes on in threads when the start is given up keeps it until it is done.
    pub(crate) lock: Arc<FileLock>,
    pub(crate) boot: BootTimeout,
}

/// What a start brings.
pub(crate) struct Started {
    pub(crate) machine: Machine,
    /// Keeps the image's root disk until the box is known to need it.
    pub(crate) lease: Option<Hold>,
}

impl Pipeline {
    /// Runs every stage.
    pub(crate) async fn run(mut self) -> BoxliteResult<Started> {
        let ports = free_ports::check(&self.config.id, &self.config.options.ports);
        ports.map_err(|error| error.at(Stage::Spawn))?;
        let new_disk = self.disk().await?;
        let machine = self.boot().await.inspect_err(|_| self.paths.remove_sockets())?;
        let mut lease = None;
        if let Some(disk) = new_disk {
            let (paths, config, held) = (self.paths.clone(), self.config.clone(), Arc::clone(&self.lock));
            blocking("write the image of a box", move || {
                let _held = held;
                config.save(&paths)
            })
            .await?;
            lease = Some(disk.keep()?);
        }
        Ok(Started { machine, lease })
    }

    /// Runs one stage: times it, and names it in its failure.
    async fn stage<T>(&self, stage: Stage, work: impl Future<Output = BoxliteResult<T>>) -> BoxliteResult<T> {
        let start = Instant::now();
        let result = work.await.map_err(|error| error.at(stage));
        self.timings.lock().unwrap_or_else(PoisonError::into_inner).record(stage, start.elapsed());
        result
    }
}

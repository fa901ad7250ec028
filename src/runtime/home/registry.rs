//! The homes that this process has open: one [`Shared`] each, however often it was opened. Worker threads of one Node
//! process share this, because they share the addon.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use boxlite_disk::ImageStorage;
use boxlite_error::{BoxliteError, BoxliteResult, Term, text};
use boxlite_images::{Holds, ImageManager, ImageOptions, RegistryOptions};

use crate::{
    home::open_home::Shared,
    options::runtime_options::{EngineChoice, RuntimeOptions},
    runtime::home_of,
    shim::assets::Parts,
    state::{layout::FilesystemLayout, lock::FileLock},
};

/// Which choice `BOXLITE_ENGINE` makes, where the options make none.
const ENGINE_VARIABLE: &str = "BOXLITE_ENGINE";

static OPEN: Mutex<Option<HashMap<PathBuf, Opened>>> = Mutex::new(None);

struct Opened {
    shared: Arc<Shared>,
    handles: usize,
    images: ImageChoices,
}

/// What the options say of images.
#[derive(PartialEq)]
struct ImageChoices {
    registries: Vec<RegistryOptions>,
    search: Vec<String>,
    quota: Option<u64>,
}

/// Opens a home, or joins it if this process has it open.
pub(crate) fn open(options: RuntimeOptions) -> BoxliteResult<Arc<Shared>> {
    let layout = FilesystemLayout::create(&home_of(options.home.as_deref())?)?;
    FileLock::make(&layout.lock())?;
    let choice = choice_of(options.engine)?;
    let parts = Parts::new(options.parts);
    let images = ImageChoices {
        registries: options.registries,
        search: options.search_registries,
        quota: options.image_quota,
    };
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let open = open.get_or_insert_default();
    if let Some(opened) = open.get_mut(layout.home()) {
        let same = opened.shared.choice == choice
            && opened.shared.parts == parts
            && opened.shared.start_timeout == options.start_timeout;
        if !same || opened.images != images {
            return Err(BoxliteError::invalid(format!(
                "open home `{}`: this process has it open with other options",
                layout.home().display()
            ))
            .hint(text![
                "use the same `engine`, ",
                Term::Option("start_timeout_ms"),
                " and options for images, or close the other runtime first"
            ]));
        }
        opened.handles += 1;
        return Ok(Arc::clone(&opened.shared));
    }
    let mut image_options = ImageOptions::default();
    image_options.registries.clone_from(&images.registries);
    if !images.search.is_empty() {
        image_options.search.clone_from(&images.search);
    }
    let manager = ImageManager::open(layout.images(), image_options)?;
    let disks = ImageStorage::open(layout.disks())?;
    let leases = Holds::open(&layout.disk_leases())?;
    let mut shared = Shared::new(layout, choice, parts, manager, disks, leases, images.quota);
    shared.start_timeout = options.start_timeout;
    let shared = Arc::new(shared);
    let home = shared.home();
    open.insert(home, Opened { shared: Arc::clone(&shared), handles: 1, images });
    Ok(shared)
}

/// One handle less, of a worker thread that ended or a runtime that nobody refers to any more. Boxes may be in use all the
/// same, so they go on, until the last handle that is closed.
pub(crate) fn lose(shared: &Arc<Shared>) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let opened = open.get_or_insert_default().get_mut(shared.layout.home());
    if let Some(opened) = opened.filter(|opened| Arc::ptr_eq(&opened.shared, shared)) {
        opened.handles = opened.handles.saturating_sub(1);
    }
}

/// One handle less. True: it was the last, and the caller ends the boxes.
pub(crate) fn leave(shared: &Arc<Shared>) -> bool {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let open = open.get_or_insert_default();
    let home = shared.home();
    let opened = open.get_mut(&home).filter(|opened| Arc::ptr_eq(&opened.shared, shared));
    let Some(opened) = opened else { return false };
    opened.handles = opened.handles.saturating_sub(1);
    if opened.handles > 0 {
        return false;
    }
    open.remove(&home);
    shared.begin_close()
}

fn choice_of(option: Option<EngineChoice>) -> BoxliteResult<EngineChoice> {
    if let Some(choice) = option {
        return Ok(choice);
    }
    match std::env::var(ENGINE_VARIABLE).as_deref() {
        Err(_) | Ok("" | "auto") => Ok(EngineChoice::Auto),
        Ok(name) => name.parse().map(EngineChoice::Only).map_err(|error| {
            BoxliteError::invalid(format!("read {ENGINE_VARIABLE}: {error}"))
                .hint("use `auto`, `krun` or `qemu`")
        }),
    }
}

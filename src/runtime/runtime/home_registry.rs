//! The homes that this process has open: one [`BoxManager`] each, however often it was opened. All threads of a process share
//! this.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use boxlite_disk::ImageStorage;
use boxlite_error::{BoxliteError, BoxliteResult, Term, text};
use boxlite_images::{Holds, ImageManager, ImageOptions, RegistryOptions};
use tokio::runtime::Handle;

use crate::{
    home::open_home::OpenHome,
    options::runtime_options::{EngineChoice, RuntimeOptions},
    runtime::box_manager::BoxManager,
    shim::assets::Assets,
    state::{
        layout::{FilesystemLayout, home_of},
        lock::FileLock,
    },
};

/// Which choice `BOXLITE_ENGINE` makes, where the options make none.
const ENGINE_VARIABLE: &str = "BOXLITE_ENGINE";

static OPEN: Mutex<Option<HashMap<PathBuf, Opened>>> = Mutex::new(None);

struct Opened {
    boxes: Arc<BoxManager>,
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

/// Opens a home; if this process has it open, returns another handle to the same one. Blocking.
///
/// # Errors
/// `INVALID_ARGUMENT` if this process has it open with other options; `STORAGE_IO`.
pub(crate) fn open(options: RuntimeOptions, handle: Handle) -> BoxliteResult<Arc<BoxManager>> {
    let layout = FilesystemLayout::create(&home_of(options.home.as_deref())?)?;
    FileLock::make(&layout.lock())?;
    let choice = choice_of(options.engine)?;
    let assets = Assets::new(options.parts);
    let images = ImageChoices {
        registries: options.registries,
        search: options.search_registries,
        quota: options.image_quota,
    };
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let open = open.get_or_insert_default();
    if let Some(opened) = open.get_mut(layout.home()) {
        let home = &opened.boxes.home;
        let same =
            home.choice == choice && home.assets == assets && home.start_timeout == options.start_timeout;
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
        return Ok(Arc::clone(&opened.boxes));
    }
    let mut image_options = ImageOptions::default();
    image_options.registries.clone_from(&images.registries);
    if !images.search.is_empty() {
        image_options.search.clone_from(&images.search);
    }
    let manager = ImageManager::open(layout.images(), image_options)?;
    let disks = ImageStorage::open(layout.disks())?;
    let leases = Holds::open(&layout.disk_leases())?;
    let mut home = OpenHome::new(layout, choice, assets, manager, disks, leases, handle);
    home.image_quota = images.quota;
    home.start_timeout = options.start_timeout;
    let path = home.path();
    let boxes = Arc::new(BoxManager::new(home));
    open.insert(path, Opened { boxes: Arc::clone(&boxes), handles: 1, images });
    Ok(boxes)
}

/// Counts one handle less, of a worker thread that ended or a runtime that nobody refers to any more. Boxes may be in use all the
/// same, so they go on until the last handle is closed.
pub(crate) fn drop_handle(boxes: &Arc<BoxManager>) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let opened = open.get_or_insert_default().get_mut(boxes.home.layout.home());
    if let Some(opened) = opened.filter(|opened| Arc::ptr_eq(&opened.boxes, boxes)) {
        opened.handles = opened.handles.saturating_sub(1);
    }
}

/// Counts one handle less. Returns `true` if it was the last, so that the caller ends the boxes.
pub(crate) fn close_handle(boxes: &Arc<BoxManager>) -> bool {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let open = open.get_or_insert_default();
    let path = boxes.home.path();
    let opened = open.get_mut(&path).filter(|opened| Arc::ptr_eq(&opened.boxes, boxes));
    let Some(opened) = opened else { return false };
    opened.handles = opened.handles.saturating_sub(1);
    if opened.handles > 0 {
        return false;
    }
    open.remove(&path);
    boxes.home.begin_close()
}

fn choice_of(option: Option<EngineChoice>) -> BoxliteResult<EngineChoice> {
    if let Some(choice) = option {
        return Ok(choice);
    }
    match std::env::var(ENGINE_VARIABLE).as_deref() {
        Err(_) | Ok("") => Ok(EngineChoice::Auto),
        Ok(name) => name.parse().map_err(|error| {
            BoxliteError::invalid(format!("read {ENGINE_VARIABLE}: {error}"))
                .hint("use `auto`, `krun` or `qemu`")
        }),
    }
}

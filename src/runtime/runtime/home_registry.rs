//! The homes that this process has open: one [`BoxManager`] each, however often it was opened. All threads of a process share
//! this.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use boxlite_error::{BoxliteError, BoxliteResult, Term, text};
use tokio::runtime::Handle;

use crate::{
    home::{home_options::HomeOptions, open_home::OpenHome},
    options::runtime_options::RuntimeOptions,
    runtime::box_manager::BoxManager,
    state::{
        layout::{FilesystemLayout, home_of},
        lock::FileLock,
    },
};

type Homes = HashMap<PathBuf, Opened>;

static OPEN: LazyLock<Mutex<Homes>> = LazyLock::new(Mutex::default);

struct Opened {
    boxes: Arc<BoxManager>,
    handles: usize,
}

/// Opens a home; if this process has it open, returns another handle to the same one. Blocking.
///
/// # Errors
/// `INVALID_ARGUMENT` if this process has it open with other options; `STORAGE_IO`.
pub(crate) fn open(options: RuntimeOptions, handle: Handle) -> BoxliteResult<Arc<BoxManager>> {
    let layout = FilesystemLayout::create(&home_of(options.home.as_deref())?)?;
    FileLock::make(&layout.lock())?;
    let options = HomeOptions::new(options)?;
    let mut open = open_homes();
    if let Some(opened) = open.get_mut(layout.home()) {
        if opened.boxes.home.options != options {
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
    let path = layout.home().to_owned();
    let boxes = Arc::new(BoxManager::new(OpenHome::open(layout, options, handle)?));
    open.insert(path, Opened { boxes: Arc::clone(&boxes), handles: 1 });
    Ok(boxes)
}

/// Counts one handle less, of a worker thread that ended or a runtime that nobody refers to any more. Boxes may be in use all the
/// same, so they go on until the last handle is closed.
pub(crate) fn drop_handle(boxes: &Arc<BoxManager>) {
    count_down(&mut open_homes(), boxes);
}

/// Counts one handle less. Returns `true` if it was the last, so that the caller ends the boxes.
pub(crate) fn close_handle(boxes: &Arc<BoxManager>) -> bool {
    let mut open = open_homes();
    if count_down(&mut open, boxes) != Some(0) {
        return false;
    }
    open.remove(boxes.home.layout.home());
    boxes.home.begin_close()
}

/// Returns the number of handles that are left, or `None` if these boxes are not the open ones of their home.
fn count_down(open: &mut Homes, boxes: &Arc<BoxManager>) -> Option<usize> {
    let opened = open.get_mut(boxes.home.layout.home());
    let opened = opened.filter(|opened| Arc::ptr_eq(&opened.boxes, boxes))?;
    opened.handles = opened.handles.saturating_sub(1);
    Some(opened.handles)
}

fn open_homes() -> MutexGuard<'static, Homes> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The first pass: what the layers' headers say, each layer's `diff_id` checked. Called by `base`.
//!
//! Up to four layers are read side by side, each on a thread of its own: that is bound by the processor. Their entries are
//! handed over lowest layer first, in the archive's order; a layer whose turn has not come stops when it is
//! [`AHEAD`] entries ahead, so that no layer is ever held in memory as a whole.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, Scope},
};

use boxlite_archive::TarReader;
use boxlite_error::ErrorCode;
use boxlite_unpack::Cancel;

use crate::{
    entry::Entry,
    error::Error,
    layer::LayerFile,
    limits::{Budget, Limits},
};

/// Layers that are read at the same time.
const SIDE_BY_SIDE: usize = 4;
/// Entries that go over at once: a hand-over costs much more than an entry.
const BATCH: usize = 128;
/// Entries, of some 200 bytes, that a layer is read ahead of its turn.
const AHEAD: usize = 64 * BATCH;

type Batch = Result<Vec<Entry>, Error>;

/// Reads all layers and gives each entry to `apply`, with its layer's position.
pub(crate) fn index(
    layers: &[LayerFile],
    limits: &Limits,
    cancel: &Cancel,
    mut apply: impl FnMut(u16, Entry) -> Result<(), Error>,
) -> Result<(), Error> {
    let budget = Arc::new(Budget::new(limits));
    // The other layers are of no use once one has failed.
    let readers = cancel.child();
    thread::scope(|scope| {
        let _readers = readers.on_drop();
        let mut waiting = layers.iter();
        let mut reading = VecDeque::new();
        for position in 0.. {
            while reading.len() < SIDE_BY_SIDE
                && let Some(layer) = waiting.next()
            {
                reading.push_back((layer, start(scope, layer, limits, &budget, &readers)?));
            }
            let Some((layer, entries)) = reading.pop_front() else {
                break;
            };
            let position = u16::try_from(position)
                .map_err(|_| Error::too_large("merge layers: the image has more than 65536"))?;
            drain(&entries, |entry| apply(position, entry)).map_err(|e| e.in_layer(&layer.path))?;
        }
        Ok(())
    })
}

fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    layer: &'scope LayerFile,
    limits: &'scope Limits,
    budget: &Arc<Budget>,
    cancel: &Cancel,
) -> Result<Receiver<Batch>, Error> {
    let (sender, receiver) = sync_channel(AHEAD / BATCH);
    let (budget, cancel) = (Arc::clone(budget), cancel.clone());
    let work = move || {
        if let Err(error) = read(layer, limits, &budget, &cancel, &sender) {
            // The receiver is gone once another layer has failed.
            let _ = sender.send(Err(error));
        }
    };
    thread::Builder::new()
        .name("boxlite-layer".into())
        .spawn_scoped(scope, work)
        .map_err(|error| Error::storage("start a thread for a layer", error))?;
    Ok(receiver)
}

/// Gives all entries of a layer to `apply`. That it is damaged is the better explanation of an entry that makes no sense, so
/// the layer is read to its end even then, but for one that is too much.
fn drain(entries: &Receiver<Batch>, mut apply: impl FnMut(Entry) -> Result<(), Error>) -> Result<(), Error> {
    let mut result = Ok(());
    for batch in entries {
        for entry in batch? {
            if result.is_ok() {
                result = apply(entry);
                if result.as_ref().is_err_and(|error| error.code() == ErrorCode::ImageTooLarge) {
                    return result;
                }
            }
        }
    }
    result
}

fn read(
    layer: &LayerFile,
    limits: &Limits,
    budget: &Arc<Budget>,
    cancel: &Cancel,
    entries: &SyncSender<Batch>,
) -> Result<(), Error> {
    let stream = layer.open(Some(Arc::clone(budget)), cancel)?;
    let mut tar = TarReader::new(stream, limits.header_bytes);
    let mut batch = Vec::new();
    while let Some(raw) = tar.next()? {
        budget.take_entry(raw.metadata())?;
        batch.extend(Entry::new(raw, limits)?);
        if batch.len() == BATCH && entries.send(Ok(std::mem::take(&mut batch))).is_err() {
            return Ok(());
        }
    }
    let _ = entries.send(Ok(batch));
    tar.into_inner().finish(&layer.diff_id)
}

//! The first pass: what a layer's headers say, its `diff_id` checked. Called by `base`.

use std::{
    panic,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{Error, LayerFile, Limits, entry::Entry, limits::Budget, tar::TarReader};

/// The entries of one layer, in the archive's order.
pub(crate) type LayerIndex = Vec<Entry>;

/// Reads all layers, side by side on up to four threads: unpacking is bound by the processor.
pub(crate) fn index(layers: &[LayerFile], limits: &Limits) -> Result<Vec<LayerIndex>, Error> {
    let budget = Arc::new(Budget::new(limits));
    let threads = thread::available_parallelism().map_or(1, usize::from).min(4).min(layers.len());
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let position = next.fetch_add(1, Ordering::Relaxed);
            let Some(layer) = layers.get(position) else {
                return Ok(done);
            };
            let entries = one(layer, limits, &budget).map_err(|e| e.in_layer(&layer.path))?;
            done.push((position, entries));
        }
    };
    let mut found: Vec<(usize, LayerIndex)> = if threads <= 1 {
        work()?
    } else {
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let mut all = Vec::new();
            for worker in workers {
                match worker.join() {
                    Ok(done) => all.extend(done?),
                    Err(panic) => panic::resume_unwind(panic),
                }
            }
            Ok::<_, Error>(all)
        })?
    };
    found.sort_by_key(|(position, _)| *position);
    Ok(found.into_iter().map(|(_, entries)| entries).collect())
}

fn one(layer: &LayerFile, limits: &Limits, budget: &Arc<Budget>) -> Result<LayerIndex, Error> {
    let stream = layer.open(Some(Arc::clone(budget)))?;
    let mut tar = TarReader::new(stream, *limits);
    let mut entries = Vec::new();
    while let Some(raw) = tar.next()? {
        budget.take_entry()?;
        entries.extend(Entry::new(raw, limits)?);
    }
    tar.into_inner().finish(&layer.diff_id)?;
    Ok(entries)
}

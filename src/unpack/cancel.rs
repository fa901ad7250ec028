//! Cancellation: a flag that work on another thread checks wherever it may take long. The caller who no longer wants the result sets
//! it, mostly by dropping a [`CancelOnDrop`].

use std::{
    error::Error as StdError,
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// A flag that cancels work. Clones are the same flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<Flag>);

#[derive(Debug, Default)]
struct Flag {
    set: AtomicBool,
    /// Setting this flag cancels the child as well.
    parent: Option<Cancel>,
}

/// The error of cancelled work.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("it was cancelled")]
pub struct Cancelled;

impl Cancelled {
    /// Whether `error` is this one.
    pub fn is_in(error: &io::Error) -> bool {
        error.get_ref().is_some_and(<dyn StdError + Send + Sync>::is::<Self>)
    }
}

impl Cancel {
    /// Cancels all work that checks the flag.
    pub fn cancel(&self) {
        self.0.set.store(true, Ordering::Relaxed);
    }

    /// A flag for a part of the work: it is set with this one, or alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(Arc::new(Flag { set: AtomicBool::new(false), parent: Some(self.clone()) }))
    }

    /// Whether the work was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.set.load(Ordering::Relaxed) || self.0.parent.as_ref().is_some_and(Self::is_cancelled)
    }

    /// Checks the flag.
    ///
    /// # Errors
    /// [`Cancelled`], inside an [`io::Error`], if the work was cancelled.
    pub fn check(&self) -> io::Result<()> {
        if self.is_cancelled() { Err(io::Error::other(Cancelled)) } else { Ok(()) }
    }

    /// Cancels when the returned value is dropped.
    pub fn on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.clone())
    }
}

/// Cancels when it is dropped: work that has ended by then doesn't notice.
#[derive(Debug)]
pub struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// A reader that fails once its work is cancelled.
#[derive(Debug)]
pub struct Cancellable<R> {
    reader: R,
    cancel: Cancel,
}

impl<R> Cancellable<R> {
    /// Checks the flag before each read.
    pub fn new(reader: R, cancel: &Cancel) -> Self {
        Self { reader, cancel: cancel.clone() }
    }
}

impl<R: Read> Read for Cancellable<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.cancel.check()?;
        self.reader.read(buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_cancelled_with_its_parent_and_alone() {
        let whole = Cancel::default();
        let (one, other) = (whole.child(), whole.child());
        one.cancel();
        assert!(one.is_cancelled() && !other.is_cancelled() && !whole.is_cancelled());
        whole.cancel();
        assert!(other.is_cancelled());
    }

    #[test]
    fn an_endless_read_ends_when_it_is_cancelled() {
        let cancel = Cancel::default();
        let reading = std::thread::spawn({
            let mut reader = Cancellable::new(io::repeat(0), &cancel);
            move || io::copy(&mut reader, &mut io::sink())
        });
        drop(cancel.on_drop());
        let error = reading.join().unwrap().unwrap_err();
        assert!(Cancelled::is_in(&error), "{error}");
    }
}

//! `Stdin`: an execution's standard input, which is opened at the first write. Kept by `execution`.

use std::mem;

use boxlite_error::BoxliteResult;
use boxlite_portal::{ExecutionInterface, StdinStream};
use boxlite_wire::limits;
use bytes::Bytes;

use crate::state::id;

#[derive(Debug)]
pub(super) enum Stdin {
    Unopened,
    Open(StdinStream),
    Closed,
}

impl Stdin {
    /// Resolves when there is room for more, with the bytes that were accepted. What the process does not take is dropped.
    pub(super) async fn write(
        &mut self,
        mut data: Bytes,
        interface: &ExecutionInterface,
        execution_id: &str,
    ) -> BoxliteResult<usize> {
        self.open(interface, execution_id)?;
        let whole = data.len();
        while let Self::Open(stream) = self
            && !data.is_empty()
        {
            if !stream.write(data.split_to(data.len().min(limits::CHUNK))).await? {
                *self = Self::Closed;
            }
        }
        Ok(whole - data.len())
    }

    /// Ends the input after what was written.
    pub(super) async fn close(
        &mut self,
        interface: &ExecutionInterface,
        execution_id: &str,
    ) -> BoxliteResult<()> {
        self.open(interface, execution_id)?;
        match mem::replace(self, Self::Closed) {
            Self::Open(stream) => stream.end().await,
            Self::Unopened | Self::Closed => Ok(()),
        }
    }

    fn open(&mut self, interface: &ExecutionInterface, execution_id: &str) -> BoxliteResult<()> {
        if matches!(self, Self::Unopened) {
            *self = Self::Open(interface.stdin(execution_id, id::random()?));
        }
        Ok(())
    }
}

//! `NativeConnection`: a connection to a port in a box. Made by `NativeDial`, wrapped by `lib/connection.ts`.
//!
//! Bytes are fetched when JavaScript calls `read`, so a program that pauses holds the box back.

use boxlite_runtime::PortConnection;
use bytes::Bytes;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::answer::{Answer, answer_while_there};

/// A connection to a port in a box.
#[napi]
pub struct NativeConnection(PortConnection);

impl From<PortConnection> for NativeConnection {
    fn from(connection: PortConnection) -> Self {
        Self(connection)
    }
}

#[napi]
impl NativeConnection {
    /// Resolves with the next bytes, or `null` at the end.
    #[napi]
    pub fn read(&self) -> Answer {
        answer_while_there(&self.0, async move |connection| {
            Ok(connection.read().await?.map(|data| Buffer::from(Vec::from(data))))
        })
    }

    /// Hands on bytes; resolves when there is room for more.
    #[napi]
    pub fn write(&self, data: &[u8]) -> Answer {
        let data = Bytes::copy_from_slice(data);
        answer_while_there(&self.0, async move |connection| connection.write(data).await)
    }

    /// Ends the direction to the box.
    #[napi]
    pub fn end(&self) -> Answer {
        answer_while_there(&self.0, async move |connection| {
            connection.end().await;
            Ok(())
        })
    }

    /// Closes the connection, without waiting for anything.
    #[napi]
    pub fn close(&self) {
        self.0.close();
    }
}

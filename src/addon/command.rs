//! `NativeCommand`: a command whose output is collected while it is fed or can be aborted. Used by `lib/exec.ts`, calls `LiteBox`.

use std::{
    future::pending,
    sync::{Mutex, PoisonError},
};

use boxlite_runtime::{CollectOptions, ExecOptions, LiteBox};
use bytes::Bytes;
use futures::stream;
use napi::{Env, Result};
use napi_derive::napi;
use tokio::sync::{mpsc, watch};

use crate::{
    answer::{Answer, answer},
    collected::Collected,
    environment::Environment,
};

/// A command that `run` begins, once.
#[napi]
pub struct NativeCommand {
    litebox: LiteBox,
    /// Taken by `run`.
    prepared: Mutex<Option<(ExecOptions, CollectOptions, mpsc::Receiver<Bytes>)>>,
    /// Taken by `close_stdin`.
    stdin: Mutex<Option<mpsc::Sender<Bytes>>>,
    cancelled: watch::Sender<bool>,
}

impl NativeCommand {
    pub(crate) fn new(litebox: LiteBox, options: ExecOptions, collect: CollectOptions) -> Self {
        let (stdin, data) = mpsc::channel(1);
        Self {
            litebox,
            prepared: Mutex::new(Some((options, collect, data))),
            stdin: Mutex::new(Some(stdin)),
            cancelled: watch::Sender::new(false),
        }
    }
}

#[napi]
impl NativeCommand {
    /// Runs the command and resolves with what it wrote.
    #[napi]
    pub fn run(&self, env: Env) -> Result<Answer> {
        let prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).take();
        let environment = Environment::of(&env)?;
        let mut cancelled = self.cancelled.subscribe();
        Ok(answer(&self.litebox, async move |litebox| {
            let Some((options, collect, mut data)) = prepared else { return Ok(Collected::default()) };
            let stdin = stream::poll_fn(move |context| data.poll_recv(context));
            let cancel = async move {
                let requested = async move {
                    if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
                        // The handle was collected, so no cancel can follow.
                        pending::<()>().await;
                    }
                };
                tokio::select! { () = requested => {}, () = environment.over() => {} }
            };
            Ok(litebox.exec_with(options, collect, stdin, cancel).await.into())
        }))
    }

    /// Writes to standard input; resolves when there is room for more.
    #[napi]
    pub fn write(&self, data: &[u8]) -> Answer {
        let stdin = self.stdin.lock().unwrap_or_else(PoisonError::into_inner);
        // Copied, since the caller may reuse its buffer as soon as the promise resolves.
        let data = Bytes::copy_from_slice(data);
        answer(&*stdin, async move |stdin| {
            if let Some(stdin) = stdin {
                // The command has ended, so the data is dropped.
                let _ = stdin.send(data).await;
            }
            Ok(())
        })
    }

    /// Ends standard input.
    #[napi]
    pub fn close_stdin(&self) -> Answer {
        drop(self.stdin.lock().unwrap_or_else(PoisonError::into_inner).take());
        answer(&(), async |()| Ok(()))
    }

    /// Makes `run` resolve at once with `ABORTED`. Its processes are killed, and the start of its box is cancelled unless other
    /// callers wait for it.
    #[napi]
    pub fn cancel(&self) {
        self.cancelled.send_replace(true);
    }
}

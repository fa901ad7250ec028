//! `Environment`: ends what belongs to a Node environment (the main thread or a worker) with it: the executions that it started,
//! unless they are detached, and the streams that it reads and writes.
//!
//! Called by `answer`, `litebox` and `command`; calls the runtime's `ExecutionKiller`. A terminated worker runs no JavaScript,
//! so Node's clean-up hook is the only notification of its end.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use boxlite_runtime::{Execution, ExecutionKiller};
use futures::future::join_all;
use napi::{Env, Result};
use tokio::sync::watch;

use crate::pool::spawn;

/// The live environments that have used the addon, each by its Node-API address.
static ENVIRONMENTS: Mutex<Vec<(usize, Arc<Environment>)>> = Mutex::new(Vec::new());

/// A Node environment and what ends with it.
#[derive(Debug)]
pub(crate) struct Environment {
    over: watch::Sender<bool>,
    executions: Mutex<Executions>,
}

#[derive(Debug, Default)]
struct Executions {
    last: u64,
    by_number: HashMap<u64, ExecutionKiller>,
}

/// Registers an execution that ends with its environment. Dropping it removes the entry if the process has ended.
#[derive(Debug)]
pub(crate) struct Owned {
    environment: Arc<Environment>,
    number: u64,
    execution: Execution,
}

impl Environment {
    /// Returns the environment of `env`, which it registers on the first call.
    pub(crate) fn of(env: &Env) -> Result<Arc<Self>> {
        let address = env.raw().addr();
        let mut environments = environments();
        if let Some((_, known)) = environments.iter().find(|(other, _)| *other == address) {
            return Ok(Arc::clone(known));
        }
        let environment = Arc::new(Self { over: watch::Sender::new(false), executions: Mutex::default() });
        env.add_env_cleanup_hook(address, |address| {
            let mut environments = self::environments();
            let index = environments.iter().position(|(other, _)| *other == address);
            let ended = index.map(|index| environments.swap_remove(index).1);
            drop(environments);
            if let Some(ended) = ended {
                ended.end();
            }
        })?;
        environments.push((address, Arc::clone(&environment)));
        Ok(environment)
    }

    /// Resolves when the environment has ended.
    pub(crate) async fn over(&self) {
        // The sender lives as long as `self`.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }

    /// Kills `execution` when the environment ends, or at once if it has ended.
    pub(crate) fn own(self: &Arc<Self>, execution: &Execution) -> Owned {
        let mut executions = self.executions();
        executions.last += 1;
        let number = executions.last;
        executions.by_number.insert(number, execution.killer());
        drop(executions);
        if *self.over.borrow() {
            self.end();
        }
        Owned { environment: Arc::clone(self), number, execution: execution.clone() }
    }

    fn end(&self) {
        self.over.send_replace(true);
        let executions = std::mem::take(&mut self.executions().by_number);
        if !executions.is_empty() {
            // The environment has ended, so no caller can get an error.
            spawn(async move { drop(join_all(executions.values().map(ExecutionKiller::kill_all)).await) });
        }
    }

    fn executions(&self) -> MutexGuard<'_, Executions> {
        self.executions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // An execution that still runs without a handle is killed by its environment.
        if self.execution.has_ended() {
            self.environment.executions().by_number.remove(&self.number);
        }
    }
}

fn environments() -> MutexGuard<'static, Vec<(usize, Arc<Environment>)>> {
    ENVIRONMENTS.lock().unwrap_or_else(PoisonError::into_inner)
}

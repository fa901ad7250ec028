//! The table of the box's connections: each has a number, by which timers and wakers name it, and is found by its flow. Used by `tcp`.

use std::{collections::HashMap, fmt, future::Future, pin::Pin, sync::Arc, task::Waker, time::Instant};

use tokio::net::TcpStream;

use super::{connection::Connection, dial::Failure, syn::Syn};
use crate::{
    decision::Allowed,
    gateway::{
        frame::Flow,
        limits::Slot,
        ready::{Ready, Signal},
    },
};

/// All connections.
#[derive(Debug)]
pub(super) struct Table {
    flows: HashMap<Flow, usize>,
    entries: Vec<Option<Entry>>,
    free: Vec<usize>,
    ready: Arc<Ready>,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Entry {
    /// As the box sees it.
    pub(super) flow: Flow,
    /// Puts its number into the list of those that have something to do.
    pub(super) signal: Arc<Signal>,
    /// The same as a waker.
    pub(super) waker: Waker,
    /// When it is looked at although nothing happens.
    pub(super) timer: Option<Instant>,
    /// It waits for room on the link.
    pub(super) blocked: bool,
    /// What the policy said; `None` for the gateway's own services.
    pub(super) allowed: Option<Allowed>,
    /// How far it is.
    pub(super) state: State,
    _slot: Slot,
}

/// How far a connection is.
#[derive(Debug)]
pub(super) enum State {
    /// Its host side is being made.
    Dialing(Dialing),
    /// Bytes go both ways.
    Open(Box<Connection>),
}

/// The making of a host's side.
pub(super) type Dial = Pin<Box<dyn Future<Output = Result<TcpStream, Failure>> + Send>>;

/// A connection whose host side is being made.
pub(super) struct Dialing {
    /// The making.
    pub(super) dial: Dial,
    /// What the box sent.
    pub(super) syn: Syn,
    /// How long the host is waited for.
    pub(super) until: Instant,
}

impl fmt::Debug for Dialing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialing").field("syn", &self.syn).finish_non_exhaustive()
    }
}

impl Table {
    /// No connections. What happens to one is said to `ready`.
    pub(super) fn new(ready: Arc<Ready>) -> Self {
        Self { flows: HashMap::new(), entries: Vec::new(), free: Vec::new(), ready }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    /// The number of a connection.
    pub(super) fn find(&self, flow: Flow) -> Option<usize> {
        self.flows.get(&flow).copied()
    }

    /// The connection of a number.
    pub(super) fn get(&self, number: usize) -> Option<&Entry> {
        self.entries.get(number)?.as_ref()
    }

    /// The connection of a number, to be changed.
    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut Entry> {
        self.entries.get_mut(number)?.as_mut()
    }

    /// The numbers that are in use.
    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> {
        (0..self.entries.len()).filter(|number| self.get(*number).is_some())
    }

    /// Adds a connection, and returns its number.
    pub(super) fn insert(&mut self, flow: Flow, allowed: Option<Allowed>, state: State, slot: Slot) -> usize {
        let number = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() - 1
        });
        let signal = Signal::new(number, &self.ready);
        let waker = Waker::from(Arc::clone(&signal));
        let entry = Entry { flow, signal, waker, timer: None, blocked: false, allowed, state, _slot: slot };
        self.entries[number] = Some(entry);
        self.flows.insert(flow, number);
        number
    }

    /// Takes a connection out. Its number may be given to another one.
    pub(super) fn remove(&mut self, number: usize) -> Option<Entry> {
        let entry = self.entries.get_mut(number)?.take()?;
        self.free.push(number);
        self.flows.remove(&entry.flow);
        Some(entry)
    }
}

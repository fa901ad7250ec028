//! `GuestSession`: the facade over a guest's services, held by a running box.

use super::{
    Connection, ContainerInterface, ExecutionInterface, FilesInterface, GuestInterface, SupervisorInterface,
};

/// The services of one guest, over one connection.
#[derive(Debug, Clone)]
pub(crate) struct GuestSession {
    connection: Connection,
}

impl GuestSession {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    pub(crate) fn guest(&self) -> GuestInterface {
        GuestInterface::new(&self.connection)
    }

    pub(crate) fn container(&self) -> ContainerInterface {
        ContainerInterface::new(&self.connection)
    }

    pub(crate) fn execution(&self) -> ExecutionInterface {
        ExecutionInterface::new(&self.connection)
    }

    pub(crate) fn files(&self) -> FilesInterface {
        FilesInterface::new(&self.connection)
    }

    pub(crate) fn supervisor(&self) -> SupervisorInterface {
        SupervisorInterface::new(&self.connection)
    }
}

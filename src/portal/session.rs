//! `GuestSession`: the facade over a guest's services, held by a running box.

use crate::{
    connection::Connection, container::ContainerInterface, execution::ExecutionInterface,
    files::FilesInterface, guest::GuestInterface, supervisor::SupervisorInterface,
};

/// The services of one guest, over one connection.
#[derive(Debug, Clone)]
pub struct GuestSession {
    connection: Connection,
}

impl GuestSession {
    /// A session over `connection`.
    pub fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Calls about the machine around the container.
    pub fn guest(&self) -> GuestInterface {
        GuestInterface::new(&self.connection)
    }

    /// Calls that make the container.
    pub fn container(&self) -> ContainerInterface {
        ContainerInterface::new(&self.connection)
    }

    /// Calls about executions.
    pub fn execution(&self) -> ExecutionInterface {
        ExecutionInterface::new(&self.connection)
    }

    /// Calls about files.
    pub fn files(&self) -> FilesInterface {
        FilesInterface::new(&self.connection)
    }

    /// Calls about what the guest supervises.
    pub fn supervisor(&self) -> SupervisorInterface {
        SupervisorInterface::new(&self.connection)
    }
}

//! `GuestSession`: the facade over a guest's services, held by a running box.

use std::sync::Arc;

use boxlite_proto::v1::{
    container_client::ContainerClient, execution_client::ExecutionClient, files_client::FilesClient,
    guest_client::GuestClient, supervisor_client::SupervisorClient,
};
use boxlite_wire::limits;

use crate::{
    connection::Connection, container::ContainerInterface, execution::ExecutionInterface,
    files::FilesInterface, guest::GuestInterface, supervisor::SupervisorInterface,
};

/// Largest message of the supervisor, in bytes; a health check's output is the longest part.
const SUPERVISOR_MESSAGE: usize = 64 * 1024;

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
        let client = GuestClient::new(self.connection.channel());
        GuestInterface { client: client.max_decoding_message_size(limits::MESSAGE) }
    }

    /// Calls that make the container.
    pub fn container(&self) -> ContainerInterface {
        let client = ContainerClient::new(self.connection.channel());
        ContainerInterface { client: client.max_decoding_message_size(limits::MESSAGE) }
    }

    /// Calls about executions.
    pub fn execution(&self) -> ExecutionInterface {
        let client = ExecutionClient::new(self.connection.channel());
        let client = client.max_decoding_message_size(limits::MESSAGE);
        ExecutionInterface { client: client.max_encoding_message_size(limits::COMMAND_MESSAGE) }
    }

    /// Calls about files.
    pub fn files(&self) -> FilesInterface {
        let client = FilesClient::new(self.connection.channel());
        let client = client.max_decoding_message_size(limits::MESSAGE);
        FilesInterface { client: client.max_encoding_message_size(limits::MESSAGE), user: Arc::default() }
    }

    /// Calls about what the guest supervises.
    pub fn supervisor(&self) -> SupervisorInterface {
        let client = SupervisorClient::new(self.connection.channel());
        SupervisorInterface { client: client.max_decoding_message_size(SUPERVISOR_MESSAGE) }
    }
}

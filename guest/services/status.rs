//! The table from this crate's errors to gRPC statuses.
//!
//! Used by every service.

use tonic::{Code, Status};

use crate::{Error, Kind};

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            Kind::Invalid => Code::InvalidArgument,
            Kind::State => Code::FailedPrecondition,
            Kind::NotFound => Code::NotFound,
            Kind::Exists => Code::AlreadyExists,
            Kind::Exhausted => Code::ResourceExhausted,
            Kind::OutOfRange => Code::OutOfRange,
            Kind::OutputGone => Code::DataLoss,
            Kind::InputClosed => Code::Aborted,
            Kind::System => Code::Internal,
        };
        Self::new(code, error.chain())
    }
}

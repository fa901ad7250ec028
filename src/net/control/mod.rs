//! What the runtime asks of a running shim (`spec::network::control`): [`server`] takes requests from a Unix socket, [`answer`] carries them
//! out.

pub mod answer;
#[cfg(any(fuzzing, test))]
pub mod hostile;
pub mod server;

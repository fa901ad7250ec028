//! `BoxliteError`: the one error of the public API, its codes, and what can be done about it.
//!
//! A leaf crate. The portal and the runtime make these errors; each face (`src/addon` for Node) carries them to its users.

mod code;
mod error;
mod file_fault;
pub mod resource_limits;
pub mod shorten;
mod stage;

pub use code::ErrorCode;
pub use error::{BoxliteError, BoxliteResult};
pub use file_fault::{FileFault, FileRefusal};
pub use stage::Stage;

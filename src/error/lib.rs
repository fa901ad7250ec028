//! `BoxliteError`: the one error of the public API, its codes, and the texts in which it says what happened and what to do.
//!
//! A leaf crate. The portal and the runtime make these errors; each face of boxlite passes them to its users with the names of its language.

mod code;
mod error;
mod file_fault;
mod named;
pub mod resource_limits;
pub mod shorten;
mod stage;
mod text;

pub use code::ErrorCode;
pub use error::{BoxliteError, BoxliteResult};
pub use file_fault::{FileFault, FileRefusal};
pub use stage::Stage;
pub use text::{Term, Text};

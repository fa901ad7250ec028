//! The journal of a box's main process, read from the host's disk: what it wrote, when it began and ended, how its health
//! changed. It is there whether or not the box runs, and needs no connection to it.
//!
//! The guest writes it, the shim appends it to two files of bounded size (`main.log`, and `main.log.1` before it), and this
//! room only reads: [`Journal`] names the files, [`JournalReader`] goes through them, once or for as long as they grow, and
//! [`JournalEntry`] is what is found. The content is a guest's and the end may be torn by a killed shim: what is no record
//! is passed over, and sizes are bounded.

pub(crate) mod entry;
pub(crate) mod file;
pub(crate) mod reader;

//! What callers may choose, with defaults and bounds. Checked here, once, before anything is done.

pub(crate) mod bound;
pub(crate) mod box_options;
pub(crate) mod command_line;
pub(crate) mod exec;
pub(crate) mod labels;
pub(crate) mod network;
pub(crate) mod ports;
pub(crate) mod privileges;
pub(crate) mod runtime_options;
pub(crate) mod secrets;
pub(crate) mod signal;
pub(crate) mod supervision;
pub(crate) mod variables;

//! How a box starts, changes, stops and is removed.

pub(crate) mod box_folder;
pub(crate) mod end;
pub(crate) mod held;
pub(crate) mod local_state;
pub(crate) mod locked_box;
pub(crate) mod machine;
pub(crate) mod observed_state;
pub(crate) mod removal;
pub(crate) mod shutdown;
pub(crate) mod start;
pub(crate) mod startup;
pub(crate) mod state;
pub(crate) mod task;
pub(crate) mod transition;
pub(crate) mod transition_log;
pub(crate) mod update;
pub(crate) mod wait;

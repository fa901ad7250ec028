//! What the guest is asked for: the container, its main process and its supervision, from options and image.

pub(crate) mod spec;
pub(crate) mod supervision;
pub(crate) mod sysctls;

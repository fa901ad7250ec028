//! The request to the guest: the container, its main process and its supervision, from options and image.

pub(crate) mod spec;
pub(crate) mod supervision;
pub(crate) mod sysctls;

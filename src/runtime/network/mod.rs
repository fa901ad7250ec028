//! What a box's network is made of at a start: the options of its maker and what this host has. [`plan`] puts both together for the
//! pipeline; [`link`] chooses addresses by the host's [`routes`]; [`resolver`], [`certificates`] and [`proxy`] read what else of the
//! host a box is given; [`environment`] has the variables that belong to it. The doctor reads the same. [`free_ports`] looks whether the
//! ports that are to be published can be, and [`port_error`] says why they can't. [`host_file`] reads the host's own lists. [`watch`] is about a network that runs.

pub(crate) mod certificates;
pub(crate) mod environment;
pub(crate) mod free_ports;
mod host_file;
pub(crate) mod link;
pub(crate) mod plan;
pub(crate) mod port_error;
pub(crate) mod proxy;
pub(crate) mod resolver;
pub(crate) mod routes;
pub(crate) mod watch;

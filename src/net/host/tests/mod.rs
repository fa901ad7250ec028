//! Tests of published ports and of the control socket over real sockets, with an agent that dials on this machine's 127.0.0.1.

mod agent;
mod control;
mod fixture;
mod published;
mod service;

//! Tests of the name server against real servers of the tests' own, over UDP and TCP on the loopback.

mod answers;
mod rig;
mod servers;

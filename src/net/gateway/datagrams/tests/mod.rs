//! Tests of the datagrams, with frames as a guest writes them and with sockets of this machine's loopback as the world.

mod dhcp;
mod echo;
mod fragments;
mod hostile;
mod link;
mod refusals;
mod rig;
mod udp;

//! Fuzzes the gateway's handler of all frames that are not TCP. The code under test and its bounds are in `boxlite_net::gateway::datagrams::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_net::gateway::datagrams::hostile::datagrams(bytes));

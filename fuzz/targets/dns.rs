//! Fuzzes the name server of the gateway: queries of a box, and answers of a server. The code under test and its bounds are in
//! `boxlite_net::dns::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_net::dns::hostile::dns(bytes));

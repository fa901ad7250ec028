//! Fuzzes the reader of a qcow2 file's header. The code under test and its bounds are in `boxlite_disk::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_disk::hostile::qcow2(bytes));

//! The header of a qcow2 file. The reading and its bounds are `boxlite_disk::hostile`'s.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_disk::hostile::qcow2(bytes));

//! A tar archive, header by header. The reading and its bounds are `boxlite_unpack::hostile`'s.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_unpack::hostile::tar(bytes));

//! A manifest or an index of a registry. The reading and its bounds are `boxlite_images::hostile`'s.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_images::hostile::manifest(bytes));

//! Fuzzes the parser of a registry's manifests and indexes. The code under test and its bounds are in `boxlite_images::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_images::hostile::manifest(bytes));

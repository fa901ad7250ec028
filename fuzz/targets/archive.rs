//! Fuzzes the reader of OCI layouts and docker-save archives in tar files. The code under test and its bounds are in `boxlite_images::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_images::hostile::archive(bytes));

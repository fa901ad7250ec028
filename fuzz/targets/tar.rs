//! A tar archive, header by header. `boxlite_archive::hostile` reads it and checks the bounds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_archive::hostile::tar(bytes));

//! An image's name. The reading and its bounds are `boxlite_images::hostile`'s.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_images::hostile::reference(bytes));

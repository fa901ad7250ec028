//! An OCI layout or an archive of docker save, as a tar file. The reading and its bounds are `boxlite_images::hostile`'s.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_images::hostile::archive(bytes));

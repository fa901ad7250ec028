//! boxlite-shim
fn main() {}

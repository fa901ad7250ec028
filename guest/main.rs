//! boxlite-guest
fn main() {}

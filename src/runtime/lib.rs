//! boxlite-runtime

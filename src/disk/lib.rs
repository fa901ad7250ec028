//! boxlite-disk

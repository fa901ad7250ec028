//! boxlite-addon

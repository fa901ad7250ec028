//! boxlite-images

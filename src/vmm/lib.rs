//! boxlite-vmm

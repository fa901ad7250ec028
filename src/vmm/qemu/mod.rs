//! QEMU, as a child of this process: with KVM where there is one, by software emulation anywhere else. Chosen by
//! `VmmFactory`. The machine is a `microvm`, whose devices are virtio over MMIO, like libkrun's.

mod accelerator;
mod arguments;
mod child;
mod cmdline;
mod engine;
mod probe;
mod tsc;
mod version;

pub(crate) use engine::Qemu;
pub(crate) use probe::probe;

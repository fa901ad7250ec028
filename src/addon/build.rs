//! Tells the linker that Node supplies the Node-API symbols, and that the addon must not be unloaded.

fn main() {
    napi_build::setup();
}

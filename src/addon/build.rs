//! Sets linker flags: Node supplies the Node-API symbols, and the addon must not be unloaded.

fn main() {
    napi_build::setup();
}

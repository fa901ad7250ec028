//! Generates the services from `boxlite/v1/*.proto` with protox, so that no `protoc` is needed to build the project.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=boxlite");
    let protos = [
        "boxlite/v1/guest.proto",
        "boxlite/v1/container.proto",
        "boxlite/v1/execution.proto",
        "boxlite/v1/files.proto",
        "boxlite/v1/supervision.proto",
    ];
    let descriptors = protox::compile(protos, ["."])?;
    // Output travels as `Bytes`: a chunk is a view into the HTTP/2 frame, not a copy of it.
    tonic_prost_build::configure().bytes(".boxlite.v1").compile_fds(descriptors)?;
    Ok(())
}

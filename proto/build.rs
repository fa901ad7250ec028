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
    // The core gives these to its users as they are.
    let serde = "#[derive(serde::Serialize, serde::Deserialize)]";
    let given = ["boxlite.v1.FileStat", "boxlite.v1.FileSystemStat", "boxlite.v1.ExecutionInfo"];
    let builder =
        given.iter().fold(tonic_prost_build::configure(), |builder, of| builder.message_attribute(of, serde));
    // Output travels as `Bytes`: a chunk is a view into the HTTP/2 frame, not a copy of it.
    builder.bytes(".boxlite.v1").compile_fds(descriptors)?;
    Ok(())
}

//! A box from Rust: makes it, writes a file in it, runs a command, and removes it.
//! `cargo run -p boxlite-runtime --example embed -- IMAGE`, where IMAGE is a reference or the folder of an OCI layout.
use std::{env, error::Error};

use boxlite_runtime::{
    BoxOptions, BoxliteRuntime, CollectOptions, ExecOptions, RuntimeOptions, WriteOptions,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let image = env::args().nth(1).unwrap_or_else(|| "alpine:3".to_owned());
    let assets = concat!(env!("CARGO_MANIFEST_DIR"), "/../../build/linux-x64-gnu");
    let options = RuntimeOptions { parts: Some(assets.into()), ..RuntimeOptions::default() };
    let runtime = BoxliteRuntime::open(options).await?;
    let litebox = runtime.create(BoxOptions::new(image)).await?;

    litebox.files().write("/tmp/name", "Rust", WriteOptions::default()).await?;
    let command = ExecOptions::new("sh", ["-c", "echo \"hello, $(cat /tmp/name), from $(uname -s)\""]);
    let collected = litebox.exec(command, CollectOptions { check: true, ..Default::default() }).await?;
    print!("{}", String::from_utf8_lossy(&collected.stdout));

    litebox.remove(true).await?;
    runtime.close(None).await?;
    Ok(())
}

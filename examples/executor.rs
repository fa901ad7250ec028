//! The life of a box on a thread without tokio: another executor awaits each call, which enters the tokio runtime of the options.
//! `cargo run -p boxlite-runtime --example executor -- IMAGE`, where IMAGE is a reference or the folder of an OCI layout.
use std::{env, error::Error, sync::Arc, time::Duration};

use boxlite_runtime::{
    BoxOptions, BoxUpdate, BoxliteRuntime, CollectOptions, CopyFrom, CopyInto, ErrorCode, ExecEvent,
    ExecOptions, LogOptions, Meter, ReadOptions, RemoveOptions, RuntimeOptions, WriteOptions,
};
use futures::executor::block_on;

fn main() -> Result<(), Box<dyn Error>> {
    let tokio = tokio::runtime::Runtime::new()?;
    let assets = concat!(env!("CARGO_MANIFEST_DIR"), "/../../build/linux-x64-gnu");
    let mut options = RuntimeOptions { parts: Some(assets.into()), ..RuntimeOptions::default() };
    options.tokio = Some(tokio.handle().clone());
    let image = env::args().nth(1).unwrap_or_else(|| "alpine:3".to_owned());
    block_on(life(options, image))
}

async fn life(options: RuntimeOptions, image: String) -> Result<(), Box<dyn Error>> {
    let runtime = BoxliteRuntime::open(options).await?;
    let litebox = runtime.create(BoxOptions::new(image)).await?;
    litebox.start(None).await?;
    println!("{} boxes, {}", runtime.list().await?.len(), litebox.info().await?.state);

    let files = litebox.files();
    let changes = files.watch("/tmp", false).await?;
    files.write("/tmp/name", "Rust", WriteOptions::default()).await?;
    println!("seen: {}", changes.next().await?.is_some());
    changes.close();
    let writer = files.write_stream("/tmp/large", WriteOptions::default()).await?;
    writer.push(vec![7; 1 << 20].into()).await?;
    println!("{} bytes written", writer.finish().await?);
    println!("{} bytes read", files.read("/tmp/large", ReadOptions::default(), 1 << 20).await?.len());
    let copy = env::temp_dir().join(format!("boxlite-executor-{}", std::process::id()));
    files.copy_out("/tmp/name", &copy, CopyFrom::default(), Arc::new(Meter::default())).await?;
    files.copy_in(&copy, "/tmp/copy", CopyInto::default(), Arc::new(Meter::default())).await?;
    std::fs::remove_file(&copy)?;
    let forgiving = RemoveOptions { recursive: true, max_retries: 1, ..RemoveOptions::default() };
    files.remove("/tmp/large", forgiving).await?;
    println!("{} entries", files.read_dir("/tmp", false).await?.len());

    let command = ExecOptions::new("cat", ["/tmp/copy"]);
    let collected = litebox.exec(command, CollectOptions::default()).await?;
    println!("cat: {}", String::from_utf8_lossy(&collected.stdout));
    let slow = ExecOptions { timeout_ms: 100, ..ExecOptions::new("sleep", ["60"]) };
    if let Err(failure) = litebox.exec(slow, CollectOptions::default()).await {
        println!("sleep: {}", failure.error.code().as_str());
    }

    let echo = litebox.spawn(ExecOptions { stdin: true, ..ExecOptions::new("cat", [""; 0]) }).await?;
    echo.write("echo".into()).await?;
    echo.close_stdin().await?;
    while let Some(events) = echo.recv(1024).await? {
        for event in events {
            match event {
                ExecEvent::Stdout(data) => println!("stdout: {}", String::from_utf8_lossy(&data)),
                ExecEvent::Stderr(_) => {}
                ExecEvent::Exit(exit) => println!("exit: {:?}", exit.code),
            }
        }
    }
    let sleep = litebox.spawn(ExecOptions::new("sleep", ["60"])).await?;
    println!("{} runs", litebox.executions().await?.len());
    sleep.detach().await;
    litebox.execution(sleep.id()).await?.kill_all().await?;
    println!("signal: {:?}", sleep.wait().await?.signal);

    litebox.update(BoxUpdate { name: Some(Some("executor".to_owned())), ..BoxUpdate::default() }).await?;
    println!("touched: {}", litebox.touch().await?);
    println!("measured: {}", litebox.metrics_sampler().sample().await?.guest.is_some());
    let logs = litebox.logs(LogOptions { follow: true, ..LogOptions::default() }).await?;
    litebox.stop(Some(Duration::from_secs(1))).await?;
    println!("log ended: {}, box {}", logs.next().await?.is_none(), litebox.wait().await?.state);

    println!("{} images, {} bytes", runtime.images().await?.len(), runtime.image_usage().await?.blobs.min(1));
    litebox.remove(true).await?;
    let gone = runtime.get("executor").await;
    println!("gone: {}", gone.is_err_and(|error| error.code() == ErrorCode::BoxNotFound));
    Ok(runtime.close(None).await?)
}

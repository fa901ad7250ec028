//! Reads the `InstanceSpec` from standard input: one line of JSON, after which the stream stays open. Called by `machine`.

use std::io::{self, Read};

use boxlite_spec::{InstanceSpec, SPEC_VERSION, ShimExit, ShimReport};
use serde_json::Value;

/// The longest line that can be a spec, in bytes.
const LIMIT: usize = 1 << 20;

/// Reads the spec. The stream is read in chunks, so nothing may follow the line.
pub(crate) fn read(stream: impl Read) -> Result<InstanceSpec, ShimReport> {
    let bad = |what: String| ShimReport::new(ShimExit::BadSpec, format!("read spec: {what}"));
    let line = read_line(stream).map_err(|error| bad(error.to_string()))?;
    let value: Value = serde_json::from_slice(&line).map_err(|error| bad(error.to_string()))?;
    // The version is checked first, so that a runtime and a shim of two releases report that and not a missing field.
    match value.get("version").and_then(Value::as_u64) {
        Some(version) if version == u64::from(SPEC_VERSION) => {}
        Some(version) => return Err(bad(format!("version {version} instead of {SPEC_VERSION}"))),
        None => return Err(bad("it has no version".into())),
    }
    serde_json::from_value(value).map_err(|error| bad(error.to_string()))
}

fn read_line(mut stream: impl Read) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut chunk = [0; 4096];
    while !line.ends_with(b"\n") {
        match stream.read(&mut chunk) {
            Ok(0) => {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends before its line does"));
            }
            Ok(count) => line.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if line.len() > LIMIT {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its line is longer than 1 MiB"));
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"version":1,"box_id":"b","engine":"qemu","cpus":1,"memory_mib":512,"kernel":"/k","initramfs":"/i",
        "disks":[],"transport":{"portal":"/p","ready":"/r"},"console":"/c","lock":"/l","attached":true}"#;

    fn line(text: &str) -> String {
        text.replace('\n', "") + "\n"
    }

    #[test]
    fn a_spec_is_one_line() {
        let spec = read(line(GOOD).as_bytes()).unwrap();
        assert_eq!(spec.box_id, "b");
        // The line arrives in single bytes, as from a slow pipe.
        let slow = line(GOOD).into_bytes();
        let slow = slow.iter().fold(Box::new(io::empty()) as Box<dyn Read>, |head, byte| {
            Box::new(head.chain(std::slice::from_ref(byte)))
        });
        assert_eq!(read(slow).unwrap(), spec);
    }

    #[test]
    fn each_fault_is_named() {
        for (text, message) in [
            (String::new(), "ends before"),
            (GOOD.replace('\n', ""), "ends before"),
            (line("nonsense"), "expected"),
            (line("[]"), "no version"),
            (line(&GOOD.replace(":1,\"box", ":2,\"box")), "version 2 instead of 1"),
            (line(&GOOD.replace("qemu", "vmware")), "vmware"),
            (line(&GOOD.replace("\"cpus\":1,", "")), "missing field `cpus`"),
            (line(&GOOD.replace("\"cpus\":1", "\"cpus\":1,\"turbo\":true")), "unknown field `turbo`"),
            (line(&GOOD.replace("\"cpus\":1", "\"cpus\":256")), "256"),
            ("x".repeat(LIMIT + 2), "longer than 1 MiB"),
        ] {
            let report = read(text.as_bytes()).unwrap_err();
            assert_eq!(report.exit, ShimExit::BadSpec);
            assert!(report.message.contains(message), "{}", report.message);
        }
    }
}

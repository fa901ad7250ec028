//! Reads the `InstanceSpec` from standard input: one line of JSON, after which the stream stays open. Called by `machine`.

use std::io::{self, BufRead as _, BufReader, Read};

use boxlite_spec::{InstanceSpec, SPEC_VERSION, ShimExit, ShimReport};
use serde_json::Value;

/// The longest line that can be a spec, in bytes.
const LIMIT: u64 = 1 << 20;

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

fn read_line(stream: impl Read) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    BufReader::new(stream.take(LIMIT)).read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") {
        return Ok(line);
    }
    Err(io::Error::other(if line.len() as u64 == LIMIT {
        "its line is longer than 1 MiB"
    } else {
        "it ends before its line does"
    }))
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
            ("x".repeat((1 << 20) + 2), "longer than 1 MiB"),
        ] {
            let report = read(text.as_bytes()).unwrap_err();
            assert_eq!(report.exit, ShimExit::BadSpec);
            assert!(report.message.contains(message), "{}", report.message);
        }
    }
}

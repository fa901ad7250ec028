//! The container that a box's processes run in, as data: what the OCI runtime specification calls the config, with
//! docker's defaults. Built by the pipeline, obeyed by the guest.

use boxlite_proto::v1::{ContainerInitRequest, File, Mount, Process, Resources, Rlimit};

use crate::{
    BoxliteResult,
    litebox::{BoxConfig, ResolvedImage},
    options::MOST_PIDS,
    supervision_spec,
};

/// `PATH` of an image that sets none (moby, oci/defaults: `DefaultPathEnv`).
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Docker's default capabilities (moby, oci/caps/defaults.go).
const CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Docker's masked paths (moby, oci/defaults.go).
const MASKED: [&str; 7] = [
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/timer_list",
    "/sys/firmware",
];

/// Docker's read-only paths (moby, oci/defaults.go).
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Descriptors that one process may have: enough for servers, far below what the machine has memory for.
const OPEN_FILES: u64 = 1 << 20;

/// The container of a box.
///
/// # Errors
/// Those of [`supervision_spec::build`].
pub(crate) fn build(config: &BoxConfig, image: &ResolvedImage) -> BoxliteResult<ContainerInitRequest> {
    let hostname = config.hostname();
    let supervision = supervision_spec::build(&config.id, &config.options.supervision, &image.config)?;
    Ok(ContainerInitRequest {
        container_id: config.id.clone(),
        process: Some(Process {
            env: environment(config, image),
            cwd: config
                .options
                .workdir
                .clone()
                .or_else(|| image.config.working_dir.clone())
                .unwrap_or_else(|| "/".to_owned()),
            user: config.options.user.clone().or_else(|| image.config.user.clone()).unwrap_or_default(),
            capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
            rlimits: vec![Rlimit { r#type: "RLIMIT_NOFILE".to_owned(), soft: OPEN_FILES, hard: OPEN_FILES }],
            no_new_privileges: false,
        }),
        hostname: hostname.to_owned(),
        mounts: mounts(),
        masked_paths: MASKED.map(str::to_owned).to_vec(),
        readonly_paths: READ_ONLY.map(str::to_owned).to_vec(),
        // Memory is bounded by the machine itself.
        resources: Some(Resources {
            memory_max: 0,
            pids_max: config.options.pids_limit.unwrap_or(MOST_PIDS).into(),
        }),
        files: files(hostname),
        supervision,
    })
}

/// The image's environment under the box's, by key.
fn environment(config: &BoxConfig, image: &ResolvedImage) -> Vec<String> {
    let mut env = vec![PATH.to_owned()];
    let of_box = config.options.env.iter().map(|(key, value)| format!("{key}={value}"));
    for variable in image.config.env.iter().cloned().chain(of_box) {
        let key = variable.split_inclusive('=').next().unwrap_or_default().to_owned();
        env.retain(|known| !known.starts_with(&key));
        env.push(variable);
    }
    env
}

/// What every container has mounted (runtime-spec, config-linux.md "Default Filesystems"; options as docker's).
fn mounts() -> Vec<Mount> {
    let mount = |destination: &str, kind: &str, options: &[&str]| Mount {
        destination: destination.to_owned(),
        r#type: kind.to_owned(),
        source: kind.to_owned(),
        options: options.iter().map(|&option| option.to_owned()).collect(),
    };
    vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=50%"]),
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/sys/fs/cgroup", "cgroup2", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
    ]
}

/// The files that name the box to itself.
fn files(hostname: &str) -> Vec<File> {
    let hosts =
        format!("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t{hostname}\n");
    let file =
        |path: &str, content: String| File { path: path.to_owned(), content: content.into(), mode: 0o644 };
    vec![file("/etc/hostname", format!("{hostname}\n")), file("/etc/hosts", hosts)]
}

#[cfg(test)]
mod tests {
    use boxlite_images::ImageConfig;

    use super::*;
    use crate::BoxOptions;

    fn built(image_env: &[&str], box_env: &[(&str, &str)]) -> Vec<String> {
        let mut options = BoxOptions::new("x");
        options.env = box_env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let config = BoxConfig::new("id".into(), 0, options);
        let env = image_env.iter().map(|&v| v.to_owned()).collect();
        let image =
            ResolvedImage { digest: "sha256:0".into(), config: ImageConfig { env, ..Default::default() } };
        build(&config, &image).unwrap().process.unwrap().env
    }

    #[test]
    fn the_box_overrides_the_image_by_key() {
        assert_eq!(built(&["A=1", "AB=2"], &[("A", "3")]), [PATH, "AB=2", "A=3"]);
    }

    #[test]
    fn an_image_may_set_its_path() {
        assert_eq!(built(&["PATH=/x"], &[]), ["PATH=/x"]);
    }
}

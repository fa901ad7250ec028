//! The container that a box's processes run in, as data: what the OCI runtime specification calls the config, with
//! docker's defaults. Built by the pipeline, obeyed by the guest.

use std::collections::HashSet;

use boxlite_error::BoxliteResult;
use boxlite_proto::v1::{ContainerInitRequest, File, Mount, Process, Resources, Rlimit};

use crate::{
    container::{supervision, sysctls},
    network::environment,
    state::config::{BoxConfig, ResolvedImage},
};

/// `PATH` of an image that sets none (moby, oci/defaults: `DefaultPathEnv`).
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variable by which an init, such as systemd, knows that it is a container's and of which kind (systemd's container interface). Other
/// programs do without, as in docker.
const CONTAINER: &str = "boxlite";

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

/// Limits of each process: descriptors as docker has them, and processes of one user without another bound than the
/// container's own. The kernel's default for those is a 16th of memory.
const RLIMITS: [(&str, u64); 2] = [("RLIMIT_NOFILE", 1 << 20), ("RLIMIT_NPROC", u64::MAX)];

/// The container of a box.
///
/// # Errors
/// Those of [`supervision::build`].
pub(crate) fn build(config: &BoxConfig, image: &ResolvedImage) -> BoxliteResult<ContainerInitRequest> {
    let (hostname, options) = (config.hostname(), &config.options);
    let (pids, privileges) = (options.pids(), &options.privileges);
    let workdir = options.workdir.as_ref().or(image.config.working_dir.as_ref());
    let hidden = |paths: &[&str]| {
        paths.iter().filter(|_| !privileges.privileged).map(|&path| path.to_owned()).collect()
    };
    let supervision = supervision::build(&config.id, &options.supervision, &image.config)?;
    Ok(ContainerInitRequest {
        container_id: config.id.clone(),
        process: Some(Process {
            env: environment(config, image),
            cwd: workdir.map_or("/", String::as_str).to_owned(),
            user: options.user.as_ref().or(image.config.user.as_ref()).cloned().unwrap_or_default(),
            capabilities: privileges.capabilities(),
            rlimits: RLIMITS
                .map(|(name, limit)| Rlimit { r#type: name.to_owned(), soft: limit, hard: limit })
                .to_vec(),
            no_new_privileges: false,
        }),
        hostname: hostname.to_owned(),
        mounts: mounts(privileges.privileged),
        masked_paths: hidden(&MASKED),
        readonly_paths: hidden(&READ_ONLY),
        // Memory is bounded by the machine itself.
        resources: Some(Resources { memory_max: 0, pids_max: pids.into() }),
        files: files(hostname),
        supervision,
        sysctls: sysctls::defaults(options.memory_mib, pids)
            .into_iter()
            .chain(privileges.sysctls())
            .collect(),
        devices: privileges.devices.clone(),
        privileged: privileges.privileged,
        // The agent knows those of its network.
        ca_certificates: bytes::Bytes::new(),
    })
}

/// The image's environment, less what the box unsets, under that of its network and the box's own, by key; the last value of a key holds. What is no variable is
/// left out: an image may say anything, and execve(2) takes no NUL byte.
pub(crate) fn environment(config: &BoxConfig, image: &ResolvedImage) -> Vec<String> {
    let unset: HashSet<&str> = config.options.unset.iter().map(String::as_str).collect();
    let of_image = image.config.env.iter().filter_map(|entry| entry.split_once('='));
    let of_image = of_image.filter(|(key, _)| !unset.contains(key));
    let of_network = environment::certificates(config);
    let of_proxy = environment::proxy(config);
    let placeholders = environment::placeholders(config);
    let secrets = placeholders.iter().map(|(key, value)| (*key, value.as_str()));
    let of_box = config.options.env.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let of_init = config.options.supervision.main_is_init.then_some(("container", CONTAINER));
    let variables = std::iter::once(("PATH", PATH))
        .chain(of_init)
        .chain(of_image)
        .chain(of_network)
        .chain(of_proxy.iter().map(|(key, value)| (*key, value.as_str())))
        .chain(of_box)
        .chain(secrets)
        .filter(|(key, value)| !key.is_empty() && !key.contains('\0') && !value.contains('\0'));
    let mut seen = HashSet::new();
    let last = variables.rev().filter(|(key, _)| seen.insert(*key));
    let mut last: Vec<_> = last.map(|(key, value)| format!("{key}={value}")).collect();
    last.reverse();
    last
}

/// What every container has mounted (runtime-spec, config-linux.md "Default Filesystems"; options as docker's, written as in
/// fstab(5)). A privileged one may write to all of it.
fn mounts(privileged: bool) -> Vec<Mount> {
    let sys = if privileged { "nosuid,noexec,nodev,rw" } else { "nosuid,noexec,nodev,ro" };
    let cgroup = format!("{sys},relatime");
    [
        ("/proc", "proc", "nosuid,noexec,nodev"),
        ("/dev", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
        ("/dev/pts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
        ("/dev/shm", "tmpfs", "nosuid,noexec,nodev,mode=1777,size=50%"),
        ("/dev/mqueue", "mqueue", "nosuid,noexec,nodev"),
        ("/sys", "sysfs", sys),
        ("/sys/fs/cgroup", "cgroup2", &cgroup),
    ]
    .map(|(destination, kind, options)| Mount {
        destination: destination.to_owned(),
        r#type: kind.to_owned(),
        source: kind.to_owned(),
        options: options.split(',').map(str::to_owned).collect(),
    })
    .to_vec()
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
    use crate::options::box_options::BoxOptions;

    fn built(image_env: &[&str], box_env: &[(&str, &str)]) -> Vec<String> {
        built_without(&[], image_env, box_env)
    }

    fn built_without(unset: &[&str], image_env: &[&str], box_env: &[(&str, &str)]) -> Vec<String> {
        let mut options = BoxOptions::new("x");
        options.unset = unset.iter().map(|&name| name.to_owned()).collect();
        options.env = box_env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let config = BoxConfig::new("id".into(), 0, options);
        let env = image_env.iter().map(|&v| v.to_owned()).collect();
        let image =
            ResolvedImage { digest: "sha256:0".into(), config: ImageConfig { env, ..Default::default() } };
        build(&config, &image).unwrap().process.unwrap().env
    }

    #[test]
    fn the_box_overrides_the_image_by_key() {
        let path = format!("PATH={PATH}");
        assert_eq!(built(&["A=1", "AB=2"], &[("A", "3")]), [&path, "AB=2", "A=3"]);
    }

    #[test]
    fn the_box_unsets_what_the_image_sets() {
        let path = format!("PATH={PATH}");
        let env = built_without(&["A", "PATH", "NONE"], &["A=1", "AB=1", "B=1", "PATH=/x"], &[("B", "2")]);
        assert_eq!(env, [&path, "AB=1", "B=2"]);
    }

    #[test]
    fn a_privileged_box_has_all_of_its_machine() {
        let mut options = BoxOptions::new("x");
        options.privileges.privileged = true;
        options.privileges.sysctls.insert("net.ipv4.ip_forward".into(), "1".into());
        options.supervision.main_is_init = true;
        let config = BoxConfig::new("id".into(), 0, options);
        let image = ResolvedImage { digest: "sha256:0".into(), config: ImageConfig::default() };
        let spec = build(&config, &image).expect("a spec");
        assert!(spec.privileged && spec.masked_paths.is_empty() && spec.readonly_paths.is_empty());
        assert!(spec.mounts.iter().all(|mount| !mount.options.iter().any(|option| option == "ro")));
        let process = spec.process.expect("a process");
        assert_eq!(
            (process.capabilities.len(), process.env.last().expect("PATH").as_str()),
            (41, "container=boxlite")
        );
        let last = spec.sysctls.last().expect("the box's own");
        assert_eq!((last.name.as_str(), last.value.as_str()), ("net/ipv4/ip_forward", "1"));
    }

    #[test]
    fn an_image_may_set_its_path() {
        assert_eq!(built(&["PATH=/x"], &[]), ["PATH=/x"]);
    }

    #[test]
    fn what_is_no_variable_is_left_out_and_takes_no_other_with_it() {
        let image = ["PATH=/x", "P", "", "=x", "HOME", "A=1", "A", "NUL=a\0b", "N\0=1"];
        assert_eq!(built(&image, &[("B", "")]), ["PATH=/x", "A=1", "B="]);
    }

    #[test]
    fn the_last_value_of_a_key_holds_however_many_there_are() {
        // 200 000 variables took minutes when each was compared with all others.
        let image: Vec<_> = (0..200_000).map(|n| format!("K{}={n}", n % 100_000)).collect();
        let image: Vec<_> = image.iter().map(String::as_str).collect();
        let built = built(&image, &[]);
        assert_eq!((built.len(), built[1].as_str()), (100_001, "K0=100000"));
    }
}

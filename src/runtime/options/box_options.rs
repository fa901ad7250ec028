//! `BoxOptions`: how to make a box, with defaults and bounds. Checked once, before anything is done, and stored in the box's folder.

use boxlite_error::BoxliteResult;
use boxlite_images::PullPolicy;
use boxlite_spec::network::port::PublishSpec;
use serde::{Deserialize, Serialize};

use crate::options::{
    bound::{require, within},
    command_line,
    labels::{self, Labels},
    network::NetworkOptions,
    ports,
    privileges::Privileges,
    secrets::{self, Secret},
    supervision::SupervisionOptions,
    variables,
};

/// Processes of a box: below `kernel.pid_max` (32 768), so that a fork bomb leaves the agent its pids.
pub(crate) const MOST_PIDS: u32 = 30_000;

/// Processes that a box may have for each MiB of its memory by default: so many have room for their stacks in the kernel
/// and little more, so that a fork bomb is refused before memory is short.
pub(crate) const PIDS_PER_MIB: u32 = 8;

/// How to make a box. Stored in the box's folder, so newer fields have defaults for older boxes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct BoxOptions {
    /// A registry reference, or an OCI layout folder.
    pub image: String,
    /// Unique among the boxes of a home: `[A-Za-z0-9][A-Za-z0-9_.-]{0,62}`.
    pub name: Option<String>,
    /// Virtual CPUs, 1 to 32. Default 1.
    pub cpus: u8,
    /// Memory in MiB, 128 to 1 048 576. Default 512.
    pub memory_mib: u32,
    /// Size of the disk in MiB, 128 to 2 097 152, rounded up to 128. Default 16 GiB, or what the image needs and 4 GiB if
    /// that is more.
    pub disk_size_mib: Option<u32>,
    /// Environment of every execution, over the image's.
    pub env: Vec<(String, String)>,
    /// Names of variables of the image that no execution has.
    pub unset: Vec<String>,
    /// Working directory of every execution. Default: the image's, else `/`.
    pub workdir: Option<String>,
    /// User of every execution: `name`, `uid`, `name:group` or `uid:gid`. Default: the image's, else root.
    pub user: Option<String>,
    /// Default: the box's name, else its id.
    pub hostname: Option<String>,
    /// Whether it outlives the process that started it, and its runtime. Default: it ends with them.
    pub detached: bool,
    /// Whether it is removed once its machine has ended. Default: it stays.
    pub auto_remove: bool,
    /// When to query the registry for the image, at the box's first start. Default: when it is not in the cache.
    pub pull_policy: PullPolicy,
    /// Its labels. They override the image's, which become known at the first start.
    pub labels: Labels,
    /// What it does on its own.
    pub supervision: SupervisionOptions,
    /// Processes and threads that may be in it at once, 1 to 30 000. Default: 8 for each MiB of
    /// memory, 30 000 at most.
    pub pids_limit: Option<u32>,
    /// Milliseconds that its guest may take to come up. Default: the runtime's option.
    pub start_timeout_ms: Option<u32>,
    /// What its processes may do to their own machine's kernel.
    pub privileges: Privileges,
    /// What it may reach; `None` is nothing. Default: the internet. In JSON, what is left out is nothing, since boxes of before there were
    /// networks are not given one unasked.
    #[serde(default)]
    pub network: Option<NetworkOptions>,
    /// Its ports that are published on the host, at most 64. They need no network.
    pub ports: Vec<PublishSpec>,
    /// What it uses without having it, at most 32.
    pub secrets: Vec<Secret>,
}

/// No image, which is refused.
impl Default for BoxOptions {
    fn default() -> Self {
        Self::new("")
    }
}

impl BoxOptions {
    /// The defaults for `image`.
    pub fn new(image: impl Into<String>) -> Self {
        Self {
            image: image.into(),
            name: None,
            cpus: 1,
            memory_mib: 512,
            disk_size_mib: None,
            env: Vec::new(),
            unset: Vec::new(),
            workdir: None,
            user: None,
            hostname: None,
            detached: false,
            auto_remove: false,
            pull_policy: PullPolicy::Missing,
            labels: Labels::new(),
            supervision: SupervisionOptions::default(),
            pids_limit: None,
            start_timeout_ms: None,
            privileges: Privileges::default(),
            network: Some(NetworkOptions::default()),
            ports: Vec::new(),
            secrets: Vec::new(),
        }
    }

    /// Processes and threads that may be in it at once.
    pub(crate) fn pids(&self) -> u32 {
        self.pids_limit.unwrap_or_else(|| self.memory_mib.saturating_mul(PIDS_PER_MIB).min(MOST_PIDS))
    }

    /// Sets the size of the disk in GiB, 0.125 to 2048, rounded up to a multiple of 128 MiB.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` beyond these bounds.
    pub fn set_disk_size_gib(&mut self, gib: f64) -> BoxliteResult<()> {
        let good = (0.125..=2048.0).contains(&gib);
        let why = || format!("expected a number from 0.125 to 2048 (GiB), got {gib}");
        require(good, "disk_size_mib", why)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is 1 to 16384")]
        let steps = (gib * 8.0).ceil() as u32;
        self.disk_size_mib = Some(steps * 128);
        Ok(())
    }

    pub(crate) fn check(&self) -> BoxliteResult<()> {
        require(!self.image.is_empty(), "image", || "must not be empty")?;
        self.name.as_deref().map_or(Ok(()), check_name)?;
        within("cpus", self.cpus, 1..=32)?;
        within("memory_mib", self.memory_mib, 128..=1 << 20)?;
        within("disk_size_mib", self.disk_size_mib, 128..=2 << 20)?;
        within("pids_limit", self.pids_limit, 1..=MOST_PIDS)?;
        if let Some(name) = &self.hostname {
            require(is_hostname(name), "hostname", || format!("not a valid host name: {name:?}"))?;
        }
        if let Some(folder) = &self.workdir {
            require(folder.starts_with('/'), "workdir", || format!("must be absolute: {folder:?}"))?;
        }
        labels::check(&self.labels)?;
        self.supervision.check()?;
        self.privileges.check()?;
        self.network.as_ref().map_or(Ok(()), NetworkOptions::check)?;
        ports::check(&self.ports)?;
        secrets::check(&self.secrets, self.network.as_ref(), &self.env)?;
        variables::check(&self.env, &self.unset)?;
        command_line::check_environment(&self.env)
    }
}

/// Refuses a name that no box can have.
fn check_name(name: &str) -> BoxliteResult<()> {
    require(is_name(name), "name", || format!("not a valid name: {name:?}")).map_err(|error| {
        error.hint("use 1 to 63 letters, digits, `_`, `.` and `-`, the first a letter or digit")
    })
}

fn is_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.as_bytes()[0].is_ascii_alphanumeric()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_hostname(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(["a", "web-1", "A.b_c"].iter().all(|name| is_name(name)));
        assert!(["", "-a", "a/b", "ä", "../x", &"x".repeat(64)].iter().all(|name| !is_name(name)));
    }

    #[test]
    fn a_new_box_reaches_the_internet_and_one_that_is_read_what_was_written() {
        let made = BoxOptions::new("x");
        assert_eq!(made.network, Some(NetworkOptions::default()));
        let of = |text: &str| serde_json::from_str::<BoxOptions>(text).unwrap().network;
        assert_eq!(of(&serde_json::to_string(&made).unwrap()), made.network);
        assert_eq!(of(r#"{ "image": "x", "network": {} }"#), made.network);
        for without in [r#"{ "image": "x" }"#, r#"{ "image": "x", "network": null }"#] {
            assert_eq!(of(without), None, "{without}");
        }
        let none = BoxOptions { network: None, ..made };
        assert_eq!(of(&serde_json::to_string(&none).unwrap()), None);
    }

    #[test]
    fn a_small_box_has_fewer_processes_unless_its_maker_says_otherwise() {
        let mut options = BoxOptions::new("x");
        assert_eq!(options.pids(), 4096);
        options.memory_mib = 1 << 20;
        assert_eq!(options.pids(), MOST_PIDS);
        options.pids_limit = Some(7);
        assert_eq!(options.pids(), 7);
    }

    #[test]
    fn a_disk_size_is_rounded_up_to_128_mib() {
        let mut options = BoxOptions::new("x");
        for (gib, mib) in [(0.125, 128), (0.2, 256), (1.0, 1024), (2048.0, 2 << 20)] {
            options.set_disk_size_gib(gib).unwrap();
            assert_eq!(options.disk_size_mib, Some(mib), "{gib}");
        }
        for gib in [0.0, -1.0, f64::NAN, 2048.1] {
            let error = options.set_disk_size_gib(gib).unwrap_err().to_string();
            assert!(
                error.ends_with(&format!("expected a number from 0.125 to 2048 (GiB), got {gib}")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_variable_needs_a_name_without_equals() {
        let mut options = BoxOptions::new("alpine");
        options.env.push(("A=B".into(), "c".into()));
        assert!(options.check().unwrap_err().to_string().contains("A=B"));
    }
}

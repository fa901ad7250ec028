//! Options on their way in: plain objects, already checked by `lib/options.ts`, into the runtime's types.

use std::{collections::BTreeMap, time::Duration};

use boxlite_runtime::{
    BoxOptions, BoxliteError, BoxliteResult, CollectOptions, Credentials, ExecOptions, Privileges,
    RegistryOptions, RuntimeOptions,
};
use napi_derive::napi;

use crate::{supervision::SupervisionInput, words::parsed};

/// How to open a runtime.
#[napi(object, object_to_js = false)]
pub struct RuntimeInput {
    /// Where boxes and images live.
    pub home: Option<String>,
    /// `auto`, `krun` or `qemu`.
    pub engine: Option<String>,
    /// Settings of single registries.
    pub registries: Vec<RegistryInput>,
    /// The registries to search for names without one.
    pub search_registries: Vec<String>,
    /// Bytes that the image cache may take.
    pub image_quota: Option<i64>,
    /// Milliseconds that a guest may take to come up.
    pub start_timeout_ms: Option<u32>,
    /// Folder of shim, kernel and initramfs.
    pub parts: Option<String>,
}

/// Settings of one registry.
#[napi(object, object_to_js = false)]
pub struct RegistryInput {
    /// Host, with its port if it has one.
    pub host: String,
    /// Whether to speak plain HTTP.
    pub http: bool,
    /// A PEM file of certificate authorities.
    pub ca_file: Option<String>,
    /// Whether to accept any certificate.
    pub skip_verify: bool,
    /// Mirrors to try first.
    pub mirrors: Vec<String>,
    /// With a password.
    pub username: Option<String>,
    /// For the user name.
    pub password: Option<String>,
    /// An `OAuth2` refresh token.
    pub identity_token: Option<String>,
    /// A ready bearer token.
    pub token: Option<String>,
}

impl From<RegistryInput> for RegistryOptions {
    fn from(input: RegistryInput) -> Self {
        let mut options = Self::new(input.host);
        options.http = input.http;
        options.ca_file = input.ca_file.map(Into::into);
        options.skip_verify = input.skip_verify;
        options.mirrors = input.mirrors;
        options.credentials = match (input.username, input.password, input.identity_token, input.token) {
            (Some(username), Some(password), ..) => Some(Credentials::Basic { username, password }),
            (_, _, Some(token), _) => Some(Credentials::IdentityToken(token)),
            (.., Some(token)) => Some(Credentials::Bearer(token)),
            _ => None,
        };
        options
    }
}

impl TryFrom<RuntimeInput> for RuntimeOptions {
    type Error = BoxliteError;

    fn try_from(input: RuntimeInput) -> BoxliteResult<Self> {
        let registries = input.registries.into_iter();
        Ok(Self {
            home: input.home.map(Into::into),
            engine: input.engine.map(|name| parsed("engine", &name)).transpose()?,
            registries: registries.map(RegistryOptions::from).collect(),
            search_registries: input.search_registries,
            image_quota: input.image_quota.map(i64::unsigned_abs),
            start_timeout: input.start_timeout_ms.map(|ms| Duration::from_millis(ms.into())),
            parts: input.parts.map(Into::into),
            tokio: None,
        })
    }
}

/// How to make a box.
#[napi(object, object_to_js = false)]
pub struct BoxInput {
    /// A registry reference, or a folder.
    pub image: String,
    /// Unique in the home.
    pub name: Option<String>,
    /// Virtual CPUs.
    pub cpus: Option<u32>,
    /// Memory in MiB.
    pub memory_mib: Option<u32>,
    /// Size of the disk in GiB.
    pub disk_size_gb: Option<f64>,
    /// Environment of every execution.
    pub env: BTreeMap<String, String>,
    /// Variables of the image that no execution has.
    pub unset: Vec<String>,
    /// Working directory of every execution.
    pub workdir: Option<String>,
    /// User of every execution.
    pub user: Option<String>,
    /// Host name.
    pub hostname: Option<String>,
    /// Whether it outlives the process that started it.
    pub detached: Option<bool>,
    /// Whether it is removed once its machine has ended.
    pub auto_remove: Option<bool>,
    /// `missing`, `always` or `never`.
    pub pull_policy: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Processes that may be in it at once.
    pub pids_limit: Option<u32>,
    /// Milliseconds that its guest may take to come up.
    pub start_timeout_ms: Option<u32>,
    /// What it does on its own.
    pub supervision: SupervisionInput,
    /// What its processes may do.
    pub privileges: PrivilegesInput,
}

/// What the processes of a box may do.
#[napi(object, object_to_js = false)]
pub struct PrivilegesInput {
    /// All of it.
    pub privileged: bool,
    /// Capabilities over the default ones.
    pub cap_add: Vec<String>,
    /// Capabilities that are left out.
    pub cap_drop: Vec<String>,
    /// Parameters of its kernel.
    pub sysctls: BTreeMap<String, String>,
    /// Devices beside the default ones.
    pub devices: Vec<String>,
}

impl From<PrivilegesInput> for Privileges {
    fn from(input: PrivilegesInput) -> Self {
        let PrivilegesInput { privileged, cap_add, cap_drop, sysctls, devices } = input;
        Self { privileged, cap_add, cap_drop, sysctls, devices }
    }
}

impl TryFrom<BoxInput> for BoxOptions {
    type Error = BoxliteError;

    fn try_from(input: BoxInput) -> BoxliteResult<Self> {
        let mut options = Self::new(input.image);
        if let Some(cpus) = input.cpus {
            options.cpus = u8::try_from(cpus)
                .map_err(|_| BoxliteError::invalid_option("cpus", format!("too many: {cpus}")))?;
        }
        options.memory_mib = input.memory_mib.unwrap_or(options.memory_mib);
        input.disk_size_gb.map_or(Ok(()), |gib| options.set_disk_size_gib(gib))?;
        options.name = input.name;
        options.env = input.env.into_iter().collect();
        options.unset = input.unset;
        options.workdir = input.workdir;
        options.user = input.user;
        options.hostname = input.hostname;
        options.detached = input.detached.unwrap_or_default();
        options.auto_remove = input.auto_remove.unwrap_or_default();
        if let Some(policy) = input.pull_policy {
            options.pull_policy = parsed("pull_policy", &policy)?;
        }
        options.labels = input.labels;
        options.pids_limit = input.pids_limit;
        options.start_timeout_ms = input.start_timeout_ms;
        options.supervision = input.supervision.try_into()?;
        options.privileges = input.privileges.into();
        Ok(options)
    }
}

/// What to run.
#[napi(object, object_to_js = false)]
pub struct ExecInput {
    /// The command.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Options other than the defaults.
    pub options: Option<CommandOptions>,
}

/// How to run a command.
#[napi(object, object_to_js = false)]
pub struct CommandOptions {
    /// Environment, over the box's.
    pub env: BTreeMap<String, String>,
    /// Variables to unset.
    pub unset: Vec<String>,
    /// Working directory.
    pub cwd: Option<String>,
    /// User.
    pub user: Option<String>,
    /// The terminal, if it gets one.
    pub tty: Option<TtyInput>,
    /// Whether standard input is written to.
    pub stdin: bool,
    /// Milliseconds until it is ended; 0 is never.
    pub timeout_ms: u32,
    /// Whether it outlives its handle.
    pub detached: bool,
}

/// How to collect what a command writes; what is left out is as `CollectOptions` has it.
#[napi(object, object_to_js = false)]
pub struct CollectInput {
    /// Whether an exit code other than 0 is an error.
    pub check: Option<bool>,
    /// Most bytes of each stream.
    pub max_buffer: Option<i64>,
    /// What messages call the command.
    pub title: Option<String>,
}

impl From<CollectInput> for CollectOptions {
    fn from(CollectInput { check, max_buffer, title }: CollectInput) -> Self {
        let mut options = Self { check: check.unwrap_or_default(), title, ..Self::default() };
        if let Some(max) = max_buffer {
            options.max_buffer = usize::try_from(max).unwrap_or(0);
        }
        options
    }
}

/// The size of a terminal.
#[napi(object, object_to_js = false)]
pub struct TtyInput {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

impl From<ExecInput> for ExecOptions {
    fn from(ExecInput { command, args, options }: ExecInput) -> Self {
        let Some(options) = options else { return Self::new(command, args) };
        let CommandOptions { env, unset, cwd, user, tty, stdin, timeout_ms, detached } = options;
        Self {
            command,
            args,
            env: env.into_iter().collect(),
            unset,
            cwd,
            user,
            tty: tty.map(|TtyInput { cols, rows }| (cols, rows)),
            stdin,
            timeout_ms: timeout_ms.into(),
            detached,
        }
    }
}

//! `BoxUpdate`: what of a box can be changed after it was made, in any state. What a machine must know when it starts holds from the next
//! start on; all else at once, for which the change is sent to its guest and its shim. Called by `LiteBox`.

use std::sync::Arc;

use boxlite_durable::Durability;
use boxlite_error::{BoxliteError, BoxliteResult};
use boxlite_proto::v1::{AmendRequest, Environment};
use boxlite_wire::limits;
use bytes::Bytes;
use prost::Message as _;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    blocking::blocking,
    container::spec::environment,
    litebox::{
        core::BoxCore,
        lifecycle::{
            machine::Machine,
            state::{BoxState, Operation},
            transition::Transition,
        },
    },
    options::{
        bound::require,
        box_options::{BoxOptions, MOST_PIDS},
        labels::Labels,
        network::NetworkOptions,
        secrets::Secret,
        supervision::check_end,
    },
    pipeline::{boot::deadline_ms, boot_timeout::BootTimeout},
    state::{clock::now_ms, config::BoxConfig, layout::BoxPaths, lock::Mode, modes},
};

/// How often a change is sent to a running box again because others have changed the box meanwhile; after that, they send theirs.
const ATTEMPTS: usize = 16;

/// What to change; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BoxUpdate {
    /// The new name; `Some(None)` takes it away. Its host name changes with the next start.
    pub name: Option<Option<String>>,
    /// All of its own labels.
    pub labels: Option<Labels>,
    /// Virtual CPUs, from the next start on.
    pub cpus: Option<u8>,
    /// Memory in MiB, from the next start on.
    pub memory_mib: Option<u32>,
    /// All of its own environment, of executions that begin later.
    pub env: Option<Vec<(String, String)>>,
    /// With `env`: names of variables of the image that no execution has.
    pub unset: Vec<String>,
    /// Processes and threads that may be in it at once.
    pub pids_limit: Option<u32>,
    /// What it may reach, and its secrets.
    pub network: NetworkUpdate,
    /// Whether it is removed once its machine has ended.
    pub auto_remove: Option<bool>,
    /// Milliseconds from its start after which it stops; 0 is never.
    pub max_lifetime_ms: Option<u64>,
    /// Milliseconds without use after which it stops; 0 is never.
    pub idle_timeout_ms: Option<u64>,
    /// When it stops, in milliseconds since the Unix epoch; 0 is never.
    pub ends_at_ms: Option<u64>,
}

/// What to change of a box's network, at once; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkUpdate {
    /// All rules that allow; `Some(None)` is `public`.
    #[serde(deserialize_with = "given")]
    pub allow: Option<Option<Vec<String>>>,
    /// All rules that refuse.
    pub deny: Option<Vec<String>>,
    /// All secrets. Processes that run keep the variables that they have, and connections that are open stay as they are.
    pub secrets: Option<Vec<Secret>>,
}

/// Reads what is there, so that `null` is a value and not the same as nothing.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

impl NetworkUpdate {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// # Errors
    /// `INVALID_ARGUMENT` if the box has no network.
    fn apply(self, options: &mut BoxOptions) -> BoxliteResult<()> {
        let Self { allow, deny, secrets } = self;
        let Some(network) = &mut options.network else {
            return require(
                allow.is_none() && deny.is_none() && secrets.is_none(),
                "network",
                || "the box has none, and is not given one while it exists",
            );
        };
        network.allow = allow.unwrap_or_else(|| network.allow.take());
        network.deny = deny.unwrap_or_else(|| std::mem::take(&mut network.deny));
        options.secrets = secrets.unwrap_or_else(|| std::mem::take(&mut options.secrets));
        Ok(())
    }
}

impl BoxUpdate {
    /// What would be wrong with any box, found out before one is locked.
    fn check(&self) -> BoxliteResult<()> {
        check_end(self.ends_at_ms.unwrap_or(0), now_ms())?;
        let mut options = BoxOptions::new("any");
        options.network = Some(NetworkOptions::default());
        self.apply(&mut options)?;
        options.check()
    }

    /// # Errors
    /// `INVALID_ARGUMENT` for a change of a network that the box does not have.
    fn apply(&self, options: &mut BoxOptions) -> BoxliteResult<()> {
        let Self { name, labels, cpus, memory_mib, env, unset, pids_limit, auto_remove, .. } = self.clone();
        options.name = name.unwrap_or_else(|| options.name.take());
        options.labels = labels.unwrap_or_else(|| std::mem::take(&mut options.labels));
        options.cpus = cpus.unwrap_or(options.cpus);
        options.memory_mib = memory_mib.unwrap_or(options.memory_mib);
        if let Some(env) = env {
            (options.env, options.unset) = (env, unset);
        }
        options.pids_limit = pids_limit.or(options.pids_limit);
        options.auto_remove = auto_remove.unwrap_or(options.auto_remove);
        let supervision = &mut options.supervision;
        supervision.max_lifetime_ms = self.max_lifetime_ms.unwrap_or(supervision.max_lifetime_ms);
        supervision.idle_timeout_ms = self.idle_timeout_ms.unwrap_or(supervision.idle_timeout_ms);
        supervision.ends_at_ms = self.ends_at_ms.unwrap_or(supervision.ends_at_ms);
        self.network.clone().apply(options)
    }

    /// What a running box must learn of this change, with the values that `config` has now. Returns `None` if that is nothing.
    fn for_guest(&self, config: &BoxConfig) -> Option<AmendRequest> {
        let BoxOptions { supervision, pids_limit, .. } = &config.options;
        let env = || {
            let env = config.resolved.as_ref().map(|image| environment(config, image));
            Environment { env: env.unwrap_or_default() }
        };
        let request = AmendRequest {
            max_lifetime_ms: self.max_lifetime_ms.map(|_| supervision.max_lifetime_ms),
            idle_timeout_ms: self.idle_timeout_ms.map(|_| supervision.idle_timeout_ms),
            ends_at_unix_ms: self.ends_at_ms.map(|_| supervision.ends_at_ms),
            pids_max: self.pids_limit.map(|_| pids_limit.unwrap_or(MOST_PIDS).into()),
            env: (self.env.is_some() || self.network.secrets.is_some()).then(env),
            authority: Bytes::new(),
        };
        (request != AmendRequest::default()).then_some(request)
    }
}

impl BoxCore {
    /// Changes what the box is. A start or stop under way is awaited; what runs goes on.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`; `BOX_NAME_TAKEN`; `BOX_REMOVED`. A running box that can't be reached is an error too; it is
    /// changed then from its next start on.
    pub(in crate::litebox) async fn update(self: &Arc<Self>, update: BoxUpdate) -> BoxliteResult<()> {
        update.check()?;
        let home = &self.home;
        home.check_open()?;
        // The box's lock is taken first: it may be held for long, and the home's must not be.
        let mut transition = Transition::begin(self).await?;
        Operation::Update.check(&self.id, transition.state())?;
        let mut config = transition.config.clone();
        update.apply(&mut config.options)?;
        // What is changed has to fit what stays, such as a secret's variable the environment.
        config.options.check()?;
        config.check_size()?;
        check_message(&config, update.for_guest(&config).as_ref())?;
        let taken =
            config.options.name.clone().filter(|name| transition.config.options.name.as_ref() != Some(name));
        let mut names = None;
        if let Some(name) = taken {
            names = Some(home.lock(Mode::Exclusive).await?);
            let home = Arc::clone(home);
            blocking("look for a name", move || home.check_free(&name)).await?;
        }
        transition.amend(|current| *current = config)?;
        drop(names);
        let machine = match self.held().filter(|_| transition.state() == BoxState::Running) {
            Some(machine) => Some(machine),
            None => transition.join()?.map(Arc::new),
        };
        if let Some(machine) = &machine
            && (update.max_lifetime_ms.is_some() || update.ends_at_ms.is_some())
        {
            let supervision = &transition.config.options.supervision;
            let record = &machine.record;
            let boot = BootTimeout::of(None, &transition.config.options, home).on(record.engine);
            let deadline = deadline_ms(supervision, boot, record.started_at_ms);
            write_deadline(&self.paths, deadline)?;
            machine.shim.amend();
        }
        // A guest that does not answer must not keep others from ending the box.
        drop(transition);
        self.refresh()?;
        let Some(machine) = machine else { return Ok(()) };
        // The gateway first: what begins with a new variable may use it at once.
        self.amend_network(&machine, &update.network).await?;
        self.amend_guest(&machine, &update).await
    }

    /// Sends the shim what concerns the network, and again what others have changed meanwhile, so that it ends with what is on disk.
    async fn amend_network(self: &Arc<Self>, machine: &Machine, update: &NetworkUpdate) -> BoxliteResult<()> {
        let Some(network) = machine.network.as_ref().filter(|_| !update.is_none()) else { return Ok(()) };
        let mut sent = None;
        for _ in 0..ATTEMPTS {
            let config = self.config();
            let Some(options) = &config.options.network else { break };
            let next = (options.policy()?, config.options.secrets.clone());
            if sent.as_ref() == Some(&next) {
                break;
            }
            let changed = async {
                network.set_policy(next.0.clone()).await?;
                if update.secrets.is_some() {
                    let secrets = config.options.secrets.iter().map(|secret| secret.spec(&config.id));
                    network.set_secrets(secrets.collect()).await?;
                }
                Ok(())
            };
            if let Err(error) = machine.explained(changed).await {
                if machine.outcome().is_some() {
                    break;
                }
                return Err(self.changed_later(error));
            }
            sent = Some(next);
            self.reread()?;
        }
        Ok(())
    }

    /// The certificate that the box has to trust with these secrets, which may be its first ones; empty for none.
    async fn authority(&self, machine: &Machine, update: &NetworkUpdate) -> BoxliteResult<Bytes> {
        let has_secrets = update.secrets.as_ref().is_some_and(|secrets| !secrets.is_empty());
        let Some(network) = machine.network.as_ref().filter(|_| has_secrets) else { return Ok(Bytes::new()) };
        match machine.explained(network.authority()).await {
            Ok(certificate) => Ok(certificate.into()),
            // It is told when the box starts again.
            Err(_) if machine.outcome().is_some() => Ok(Bytes::new()),
            Err(error) => Err(self.changed_later(error)),
        }
    }

    fn changed_later(&self, error: BoxliteError) -> BoxliteError {
        let message = format!("update box `{}`: it is changed from its next start on: {error}", self.id());
        let hint = error.hint_text().cloned();
        BoxliteError::new(error.code(), message).maybe_hint(hint).caused_by(error)
    }

    /// Sends the guest what concerns `update`, and again what others have changed meanwhile, so that it ends with what is on disk.
    async fn amend_guest(self: &Arc<Self>, machine: &Arc<Machine>, update: &BoxUpdate) -> BoxliteResult<()> {
        let authority = self.authority(machine, &update.network).await?;
        let mut sent = None;
        for _ in 0..ATTEMPTS {
            let request = update.for_guest(&self.config());
            let request = request.map(|request| AmendRequest { authority: authority.clone(), ..request });
            let Some(request) = request.filter(|request| sent.as_ref() != Some(request)) else { break };
            if let Err(error) = machine.session.supervisor().amend(request.clone()).await {
                if machine.outcome().is_some() {
                    break;
                }
                return Err(self.changed_later(error));
            }
            sent = Some(request);
            self.reread()?;
        }
        // The guest's events may be of interest only now.
        self.observe(machine);
        Ok(())
    }

    /// Uses the box for a moment, so that its idle time begins anew. Returns `false` if it does not run; it is not started.
    pub(in crate::litebox) async fn touch(self: &Arc<Self>) -> BoxliteResult<bool> {
        let Some(machine) = self.running().await? else { return Ok(false) };
        let supervisor = machine.session.supervisor();
        match machine.explained(supervisor.amend(AmendRequest::default())).await {
            Err(_) if machine.outcome().is_some() => Ok(false),
            touched => touched.map(|()| true),
        }
    }
}

/// Refuses an update whose environment, with the image's, does not fit in one message.
///
/// # Errors
/// `INVALID_ARGUMENT`.
fn check_message(config: &BoxConfig, request: Option<&AmendRequest>) -> BoxliteResult<()> {
    let size = request.map_or(0, AmendRequest::encoded_len);
    if size <= limits::MESSAGE {
        return Ok(());
    }
    let (image, most) = (&config.options.image, limits::MESSAGE);
    let message = format!("with that of image `{image}` it must take at most {most} bytes: {size}");
    Err(BoxliteError::invalid_option("env", message))
}

/// Writes the file whole at once, since the shim may be reading it.
fn write_deadline(paths: &BoxPaths, deadline_ms: u64) -> BoxliteResult<()> {
    let path = paths.deadline();
    let text = format!("{deadline_ms}\n");
    boxlite_durable::write(&path, text.as_bytes(), modes::FILE, Durability::Cached)
        .map_err(|error| BoxliteError::io("write", &path, error))
}

#[cfg(test)]
mod tests {
    use boxlite_error::ErrorCode;

    use super::*;

    #[test]
    fn what_is_not_named_stays() {
        let mut options = BoxOptions::new("x");
        options.name = Some("a".into());
        options.env.push(("A".into(), "1".into()));
        let before = serde_json::to_value(&options).unwrap();
        BoxUpdate::default().apply(&mut options).unwrap();
        assert_eq!(serde_json::to_value(&options).unwrap(), before);
        BoxUpdate { name: Some(None), cpus: Some(3), ends_at_ms: Some(7), ..Default::default() }
            .apply(&mut options)
            .unwrap();
        assert_eq!((options.name, options.cpus, options.supervision.ends_at_ms), (None, 3, 7));
        assert_eq!(options.env.len(), 1);
    }

    #[test]
    fn a_guest_is_sent_only_what_concerns_it() {
        let mut config = BoxConfig::new("id".into(), 0, BoxOptions::new("x"));
        let sent = |update: &BoxUpdate, config: &mut BoxConfig| {
            update.apply(&mut config.options).unwrap();
            update.for_guest(config)
        };
        assert_eq!(
            sent(
                &BoxUpdate { cpus: Some(2), labels: Some(Labels::new()), ..Default::default() },
                &mut config
            ),
            None
        );
        let request = sent(&BoxUpdate { idle_timeout_ms: Some(0), ..Default::default() }, &mut config);
        assert_eq!(request, Some(AmendRequest { idle_timeout_ms: Some(0), ..Default::default() }));
    }

    #[test]
    fn an_update_is_checked_as_a_new_box_is() {
        for update in [
            BoxUpdate { cpus: Some(0), ..Default::default() },
            BoxUpdate { memory_mib: Some(1), ..Default::default() },
            BoxUpdate { env: Some(vec![("A=".into(), String::new())]), ..Default::default() },
            BoxUpdate { pids_limit: Some(0), ..Default::default() },
            BoxUpdate { max_lifetime_ms: Some(u64::MAX), ..Default::default() },
            BoxUpdate { ends_at_ms: Some(1), ..Default::default() },
            network(NetworkUpdate { allow: Some(Some(vec!["a:0".into()])), ..Default::default() }),
            network(NetworkUpdate { deny: Some(vec!["*".into()]), ..Default::default() }),
            network(NetworkUpdate { secrets: Some(vec![secret(""); 33]), ..Default::default() }),
            network(NetworkUpdate { secrets: Some(vec![secret("x\n")]), ..Default::default() }),
        ] {
            assert_eq!(update.check().unwrap_err().code(), ErrorCode::InvalidArgument, "{update:?}");
        }
        BoxUpdate { ends_at_ms: Some(now_ms() + 1000), ..Default::default() }.check().unwrap();
    }

    fn network(network: NetworkUpdate) -> BoxUpdate {
        BoxUpdate { network, ..Default::default() }
    }

    fn secret(value: &str) -> Secret {
        Secret { env: "KEY".into(), value: value.into(), hosts: vec!["a.example".into()] }
    }

    #[test]
    fn rules_and_secrets_change_one_by_one_and_null_is_public() {
        let read = |json: &str| serde_json::from_str::<BoxUpdate>(json).unwrap();
        let mut options = BoxOptions { network: None, ..BoxOptions::new("x") };
        let error = read(r#"{ "network": { "deny": [] } }"#).apply(&mut options).unwrap_err();
        assert!(error.to_string().starts_with("option `network`: the box has none"), "{error}");
        read(r#"{ "network": {} }"#).apply(&mut options).unwrap();
        options.network = Some(NetworkOptions::default());
        read(r#"{ "network": { "allow": ["a.example"], "deny": ["host"] } }"#).apply(&mut options).unwrap();
        read(r#"{ "network": { "deny": [] } }"#).apply(&mut options).unwrap();
        let network = options.network.clone().unwrap();
        assert_eq!((network.allow.unwrap(), network.deny.len()), (vec!["a.example".to_owned()], 0));
        read(r#"{ "network": { "allow": null } }"#).apply(&mut options).unwrap();
        assert_eq!(options.network.unwrap().allow, None);
    }

    #[test]
    fn new_secrets_change_the_environment_of_what_begins_later() {
        let mut config = BoxConfig::new("id".into(), 0, BoxOptions::new("x"));
        config.options.network = Some(NetworkOptions::default());
        let update = network(NetworkUpdate { secrets: Some(vec![secret("v")]), ..Default::default() });
        update.apply(&mut config.options).unwrap();
        assert!(update.for_guest(&config).unwrap().env.is_some());
        assert!(!format!("{update:?}").contains("\"v\""));
    }
}

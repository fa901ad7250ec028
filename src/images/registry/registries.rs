//! Where images are looked for: the registries of the options, each with its mirrors, connection and tokens. Called by `manager`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use oci_spec::distribution::Reference;

use super::{
    auth::Auth,
    connection::{Trust, client},
    login::users_own,
    repository::{Registry, Repository},
    route::Route,
};
use crate::{
    error::Error,
    options::{ImageOptions, RegistryOptions},
};

/// A mirror is there to be fast; what it can't do at once, the registry can.
const MIRROR_ATTEMPTS: u32 = 2;

/// The registries that were talked to, with their connections and tokens.
#[derive(Debug)]
pub(crate) struct Registries {
    options: ImageOptions,
    known: Mutex<HashMap<String, Arc<Registry>>>,
    system: Arc<Trust>,
}

impl Registries {
    pub(crate) fn new(options: ImageOptions) -> Self {
        Self { options, known: Mutex::default(), system: Arc::new(Trust::system()) }
    }

    /// Where the image can be had.
    pub(crate) async fn route(&self, reference: &Reference) -> Result<Route, Error> {
        let (host, name) = (reference.registry(), reference.repository());
        let mut places = Vec::new();
        for mirror in &self.options(host).mirrors {
            // The mirror's path stands before the image's own name.
            let (host, path) = mirror.split_once('/').unwrap_or((mirror, ""));
            let name = format!("{}/{name}", path.trim_matches('/'));
            let name = name.trim_start_matches('/').to_owned();
            places.push(self.repository(host, name, MIRROR_ATTEMPTS.min(self.options.attempts)).await?);
        }
        places.push(self.repository(host, name.to_owned(), self.options.attempts).await?);
        Ok(Route::new(places))
    }

    async fn repository(&self, host: &str, name: String, attempts: u32) -> Result<Repository, Error> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned();
        let registry = if let Some(registry) = known {
            registry
        } else {
            let made = Arc::new(self.connect(host).await?);
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(host.to_owned()).or_insert(made))
        };
        let scope = format!("repository:{name}:pull");
        Ok(Repository { registry, name, scope, attempts, manifest: self.options.timeouts.manifest })
    }

    fn options(&self, host: &str) -> RegistryOptions {
        let options = self.options.registries.iter().find(|options| options.host == host).cloned();
        options.unwrap_or_else(|| RegistryOptions::new(host))
    }

    async fn connect(&self, host: &str) -> Result<Registry, Error> {
        let options = self.options(host);
        let credentials = match options.credentials.clone() {
            None if self.options.docker_credentials => users_own(host).await?,
            credentials => credentials,
        };
        let scheme = if options.http { "http" } else { "https" };
        // docker.io's registry goes by another name.
        let address = if host == "docker.io" { "index.docker.io" } else { host };
        Ok(Registry {
            host: host.to_owned(),
            base: format!("{scheme}://{address}/v2/"),
            client: client(&options, &self.options, &self.system).await?,
            auth: Auth::new(host, credentials, options.http, self.options.timeouts.login),
        })
    }
}

//! Requests to registries: every answer is bounded, and errors are classified. Called by `route`.

use std::{sync::Arc, time::Duration};

use boxlite_error::ErrorCode;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, header};

use super::{
    answer::{body, refused, timed_out, unreachable},
    auth::Auth,
    backoff::Backoff,
};
use crate::{
    digest::Digest,
    error::{Error, Retry},
    manifest::{MAX_MANIFEST, MEDIA_TYPES},
};

/// OCI distribution-spec, "Pulling manifests".
const CONTENT_DIGEST: &str = "docker-content-digest";

/// A registry with its connections and tokens.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) host: String,
    /// The address of its API, with a slash at the end.
    pub(super) base: String,
    pub(super) client: Client,
    pub(super) auth: Auth,
}

/// One repository of one registry.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    pub(super) registry: Arc<Registry>,
    pub(super) name: String,
    /// What a token is asked for.
    pub(super) scope: String,
    pub(super) attempts: u32,
    /// See [`crate::Timeouts::manifest`].
    pub(super) manifest: Duration,
}

impl Repository {
    /// The manifest of a tag or digest, and the digest of what came.
    pub(crate) async fn manifest(&self, tag_or_digest: &str) -> Result<(Vec<u8>, Digest), Error> {
        let what = format!("fetch manifest {tag_or_digest} of {}/{}", self.registry.host, self.name);
        let mut backoff = Backoff::new(self.attempts);
        loop {
            let manifest =
                tokio::time::timeout(self.manifest, self.manifest_once(&what, tag_or_digest)).await;
            let manifest = manifest.unwrap_or_else(|_| Err(timed_out(&what, self.manifest)));
            match manifest {
                Ok(manifest) => return Ok(manifest),
                Err(error) => backoff.wait(error).await?,
            }
        }
    }

    async fn manifest_once(&self, what: &str, tag_or_digest: &str) -> Result<(Vec<u8>, Digest), Error> {
        let url = format!("{}{}/manifests/{tag_or_digest}", self.registry.base, self.name);
        let response = self.get(what, &url, |request| request.header(header::ACCEPT, MEDIA_TYPES)).await?;
        let said = response.headers().get(CONTENT_DIGEST).and_then(|value| value.to_str().ok());
        let said: Option<Digest> = said.and_then(|text| text.parse().ok());
        let bytes = body(what, response, MAX_MANIFEST).await?;
        let found = Digest::of(&bytes);
        // A tag does not say what it stands for, but the registry may; what differs was damaged on the way.
        if said.is_some_and(|said| said != found) && !tag_or_digest.contains(':') {
            let message = format!("{what}: its content is {found}, and the registry says otherwise");
            return Err(Error::new(ErrorCode::ImageDigestMismatch, message).transient(None));
        }
        if tag_or_digest.contains(':') && tag_or_digest != found.as_str() {
            return Err(Error::new(
                ErrorCode::ImageDigestMismatch,
                format!("{what}: its content is {found}"),
            ));
        }
        Ok((bytes, found))
    }

    /// A blob's bytes from `offset` on, one attempt. The second value is where they start: a registry may not resume.
    pub(crate) async fn blob(&self, digest: &Digest, offset: u64) -> Result<(Response, u64), Error> {
        let what = format!("fetch blob {digest} of {}/{}", self.registry.host, self.name);
        let url = format!("{}{}/blobs/{digest}", self.registry.base, self.name);
        let range = |request: RequestBuilder| match offset {
            0 => request,
            _ => request.header(header::RANGE, format!("bytes={offset}-")),
        };
        let first = async {
            match self.get(&what, &url, range).await {
                Err(error) if error.retry == Retry::Whole => self.get(&what, &url, |request| request).await,
                response => response,
            }
        };
        // What comes after the first byte is watched by who reads it.
        let first = tokio::time::timeout(self.manifest, first).await;
        let response = first.unwrap_or_else(|_| Err(timed_out(&what, self.manifest)))?;
        let resumed = response.status() == StatusCode::PARTIAL_CONTENT;
        let wanted = format!("bytes {offset}-");
        let range = response.headers().get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
        if resumed && range.is_some_and(|range| !range.starts_with(&wanted)) {
            return Err(Error::corrupt(format!("{what}: bytes from {range:?} instead of {offset}")));
        }
        Ok((response, if resumed { offset } else { 0 }))
    }

    /// One request, repeated once with new authorisation if the registry asks for it.
    async fn get(
        &self,
        what: &str,
        url: &str,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Error> {
        let Registry { client, auth, base, .. } = &*self.registry;
        let mut challenged = false;
        loop {
            let request = auth.apply(&self.scope, with(client.get(url)));
            let response = request.send().await.map_err(|error| unreachable(what, error))?;
            match response.status() {
                status if status.is_success() => return Ok(response),
                // Credentials are for the registry, and not for wherever it sends us.
                StatusCode::UNAUTHORIZED if !same_origin(response.url(), base) => {
                    let host = response.url().host_str().unwrap_or("?").to_owned();
                    let what =
                        format!("{what}: {host}, to which the registry redirects, wants a log-in of its own");
                    return Err(refused(&what, response).await);
                }
                StatusCode::UNAUTHORIZED if !challenged => {
                    challenged = true;
                    auth.revoke(&self.scope);
                    auth.answer(client, &self.scope, response).await?;
                }
                _ => return Err(refused(what, response).await),
            }
        }
    }
}

/// Whether it was the registry itself that answered.
fn same_origin(answered: &Url, base: &str) -> bool {
    base.parse::<Url>().is_ok_and(|base| base.origin() == answered.origin())
}

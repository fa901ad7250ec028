//! Proving to a registry who we are: basic authentication, and bearer tokens from the registry's token service
//! (distribution's "Token Authentication Specification" and "`OAuth2` Token Authentication"). Called by `repository`.
//!
//! Who is sent a secret: the registry that it was given for, and the token service that this registry itself names. As with
//! docker, podman and containerd that may be another host (docker.io's is auth.docker.io), since a registry could ask for the
//! password itself. But the challenge must be the registry's own, not that of a place that it redirects to; the service must be
//! encrypted if the registry is; and what a service redirects to gets nothing.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use boxlite_error::ErrorCode;
use http_auth::{ChallengeRef, parser::ChallengeParser};
use reqwest::{RequestBuilder, Response, StatusCode, Url, header};
use serde::Deserialize;

use super::answer::{body, refused, timed_out, unreachable};
use crate::{error::Error, options::Credentials};

/// Tokens are some kilobytes.
const MAX_TOKEN: u64 = 1 << 20;
/// The life of a token that doesn't name its own, by the specification.
const DEFAULT_LIFE: u64 = 60;

/// The credentials for one registry, and the tokens they got.
#[derive(Debug)]
pub(super) struct Auth {
    host: String,
    credentials: Option<Credentials>,
    /// Whether the registry is used without encryption, as its options say.
    plain: bool,
    /// See [`crate::Timeouts::login`].
    limit: Duration,
    /// By scope.
    granted: Mutex<HashMap<String, Grant>>,
}

/// What goes into the Authorization header.
#[derive(Clone)]
enum Grant {
    Basic { username: String, password: String },
    Bearer { token: String, until: Option<Instant> },
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Grant(…)")
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Auth {
    pub(super) fn new(host: &str, credentials: Option<Credentials>, plain: bool, limit: Duration) -> Self {
        Self { host: host.to_owned(), credentials, plain, limit, granted: Mutex::default() }
    }

    /// Adds what was granted for `scope` to a request.
    pub(super) fn apply(&self, scope: &str, request: RequestBuilder) -> RequestBuilder {
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        granted
            .retain(|_, grant| !matches!(grant, Grant::Bearer { until: Some(until), .. } if *until <= now));
        match granted.get(scope) {
            Some(Grant::Basic { username, password }) => request.basic_auth(username, Some(password)),
            Some(Grant::Bearer { token, .. }) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Answers the challenge of a 401. An error if there is nothing new to offer.
    pub(super) async fn answer(
        &self,
        client: &reqwest::Client,
        scope: &str,
        refusal: Response,
    ) -> Result<(), Error> {
        let headers = refusal.headers().get_all(header::WWW_AUTHENTICATE).iter();
        let headers: Vec<_> = headers.filter_map(|value| Some(value.to_str().ok()?.to_owned())).collect();
        // What can't be parsed is no challenge.
        let challenges: Vec<_> =
            headers.iter().flat_map(|text| ChallengeParser::new(text)).flatten().collect();
        for challenge in challenges {
            if let Some(grant) = self.grant(client, scope, &challenge).await? {
                self.granted.lock().unwrap_or_else(PoisonError::into_inner).insert(scope.to_owned(), grant);
                return Ok(());
            }
        }
        Err(refused(&format!("log in to {}", self.host), refusal).await)
    }

    /// Forgets a grant that the registry no longer takes.
    pub(super) fn revoke(&self, scope: &str) -> bool {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner).remove(scope).is_some()
    }

    async fn grant(
        &self,
        client: &reqwest::Client,
        scope: &str,
        challenge: &ChallengeRef<'_>,
    ) -> Result<Option<Grant>, Error> {
        if challenge.scheme.eq_ignore_ascii_case("basic") {
            return Ok(match &self.credentials {
                Some(Credentials::Basic { username, password }) => {
                    Some(Grant::Basic { username: username.clone(), password: password.clone() })
                }
                _ => None,
            });
        }
        if !challenge.scheme.eq_ignore_ascii_case("bearer") {
            return Ok(None);
        }
        if let Some(Credentials::Bearer(token)) = &self.credentials {
            return Ok(Some(Grant::Bearer { token: token.clone(), until: None }));
        }
        let parameter = |name: &str| {
            let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_unescaped())
        };
        let Some(realm) = parameter("realm") else {
            return Ok(None);
        };
        let realm = self.realm(&realm)?;
        let what = format!("log in to {} at {}", self.host, realm.host_str().unwrap_or("?"));
        let token = self.token(client, &what, realm, parameter("service"), scope);
        let token = tokio::time::timeout(self.limit, token).await;
        token.unwrap_or_else(|_| Err(timed_out(&what, self.limit))).map(Some)
    }

    /// The address of the token service, if it may be used.
    fn realm(&self, text: &str) -> Result<Url, Error> {
        let refused = |why: &str| {
            let message = format!("log in to {}: its token service {text:?} {why}", self.host);
            Err(Error::new(ErrorCode::ImageUnauthorized, message))
        };
        let Ok(realm) = text.parse::<Url>() else { return refused("is no address") };
        match realm.scheme() {
            "https" => {}
            "http" if self.plain => {}
            "http" => return refused("is not encrypted, and the registry is: nothing is sent there"),
            _ => return refused("is no address"),
        }
        if !realm.username().is_empty() || realm.password().is_some() {
            return refused("names a user of its own");
        }
        Ok(realm)
    }

    async fn token(
        &self,
        client: &reqwest::Client,
        what: &str,
        realm: Url,
        service: Option<String>,
        scope: &str,
    ) -> Result<Grant, Error> {
        let mut query = vec![("scope", scope)];
        query.extend(service.as_deref().map(|service| ("service", service)));
        let request = match &self.credentials {
            Some(Credentials::IdentityToken(token)) => {
                query.extend([
                    ("grant_type", "refresh_token"),
                    ("client_id", "boxlite"),
                    ("refresh_token", token),
                ]);
                // The form is small and made here; reqwest's own `form` is a feature of its own.
                let form = Url::parse_with_params("http://form/", &query)
                    .map_err(|error| Error::new(ErrorCode::ImageUnauthorized, what).because(error))?;
                client
                    .post(realm)
                    .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form.query().unwrap_or_default().to_owned())
            }
            Some(Credentials::Basic { username, password }) => {
                query.push(("account", username));
                client.get(realm).query(&query).basic_auth(username, Some(password))
            }
            _ => client.get(realm).query(&query),
        };
        let response = request.send().await.map_err(|error| unreachable(what, error))?;
        if response.status() != StatusCode::OK {
            return Err(refused(what, response).await);
        }
        let bytes = body(what, response, MAX_TOKEN).await?;
        // A parser's error would quote what may be the token.
        let answer: TokenAnswer = serde_json::from_slice(&bytes).map_err(|_| {
            Error::new(ErrorCode::ImageUnauthorized, format!("{what}: an answer that is no token"))
        })?;
        let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| {
            Error::new(ErrorCode::ImageUnauthorized, format!("{what}: no token in the answer"))
        })?;
        // A little less than promised: the token must still be good when it arrives.
        let life = Duration::from_secs(answer.expires_in.unwrap_or(DEFAULT_LIFE).clamp(10, 86_400) * 9 / 10);
        Ok(Grant::Bearer { token, until: Instant::now().checked_add(life) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_service_is_no_less_safe_than_its_registry() {
        let auth = |plain| Auth::new("r.example", None, plain, Duration::from_secs(1));
        for (plain, realm, allowed) in [
            (false, "https://auth.example/token?a=b", true),
            (false, "http://r.example/token", false),
            (true, "http://auth.example/token", true),
            (true, "https://auth.example/token", true),
            (false, "https://user:word@auth.example/token", false),
            (false, "https://user@auth.example/token", false),
            (true, "file:///etc/passwd", false),
            (true, "/token", false),
        ] {
            let result = auth(plain).realm(realm);
            assert_eq!(result.is_ok(), allowed, "{realm}: {result:?}");
            if let Err(error) = result {
                assert_eq!(error.code(), ErrorCode::ImageUnauthorized);
            }
        }
    }
}

//! What registries answer: bodies of bounded length, and refusals by their kind. Called by `repository` and `auth`.

use std::time::{Duration, SystemTime};

use boxlite_error::ErrorCode;
use reqwest::{Response, StatusCode, header};
use serde::Deserialize;

use crate::error::{Error, Retry};

/// Error bodies are for people.
const MAX_ERROR: u64 = 64 * 1024;
/// How long one may take: without it the error says less.
const ERROR_BODY: Duration = Duration::from_secs(5);

/// Reads an answer of at most `limit` bytes.
pub(super) async fn body(what: &str, mut response: Response, limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(what, error))? {
        if (bytes.len() + chunk.len()) as u64 > limit {
            return Err(Error::new(ErrorCode::ImageTooLarge, format!("{what}: more than {limit} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// A connection that could not be made, or broke.
pub(crate) fn unreachable(what: &str, error: reqwest::Error) -> Error {
    let lasting = error.is_redirect();
    // The text of a reqwest error repeats the URL, which `what` describes better, and which may hold a signature.
    let unreachable =
        Error::new(ErrorCode::RegistryUnreachable, what.to_owned()).because(error.without_url());
    if lasting { unreachable } else { unreachable.transient(None) }
}

/// `Retry-After`: seconds, or a date (RFC 9110, 10.2.3), which is measured by the registry's own clock if the answer has one.
pub(super) fn asked_pause(headers: &header::HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let date = |text: &str| httpdate::parse_http_date(text.trim()).ok();
    let asked = text(header::RETRY_AFTER)?;
    if let Ok(seconds) = asked.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let now = text(header::DATE).and_then(date).unwrap_or_else(SystemTime::now);
    Some(date(asked)?.duration_since(now).unwrap_or_default())
}

/// An answer that is no success.
pub(super) async fn refused(what: &str, response: Response) -> Error {
    let status = response.status();
    let pause = asked_pause(response.headers());
    let said = tokio::time::timeout(ERROR_BODY, body(what, response, MAX_ERROR)).await;
    let said = said.ok().and_then(Result::ok).and_then(|bytes| error_text(&bytes));
    let message = match said {
        Some(said) => format!("{what}: HTTP {status}: {said}"),
        None => format!("{what}: HTTP {status}"),
    };
    match status {
        StatusCode::NOT_FOUND => Error::new(ErrorCode::ImageNotFound, message),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::new(ErrorCode::ImageUnauthorized, message),
        StatusCode::TOO_MANY_REQUESTS => Error::new(ErrorCode::RegistryRateLimited, message).transient(pause),
        StatusCode::RANGE_NOT_SATISFIABLE => {
            Error::new(ErrorCode::RegistryFailed, message).with_retry(Retry::Whole)
        }
        _ if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            Error::new(ErrorCode::RegistryFailed, message).transient(pause)
        }
        _ => Error::new(ErrorCode::RegistryFailed, message),
    }
}

/// The text of a registry's error (OCI distribution-spec, "Error Codes").
fn error_text(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Envelope {
        errors: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let envelope: Envelope = serde_json::from_slice(bytes).ok()?;
    let texts: Vec<_> =
        envelope.errors.iter().take(3).map(|item| format!("{} {}", item.code, item.message)).collect();
    let text: String = texts.join("; ").chars().filter(|c| !c.is_control()).take(300).collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Nothing came in time.
pub(super) fn timed_out(what: &str, limit: Duration) -> Error {
    let message = format!("{what}: not here after {limit:?}");
    Error::new(ErrorCode::RegistryUnreachable, message).transient(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_as_a_date() {
        let asked = |retry_after: &str, date: &str| {
            let mut headers = header::HeaderMap::new();
            headers.insert(header::RETRY_AFTER, retry_after.parse().unwrap());
            headers.insert(header::DATE, date.parse().unwrap());
            asked_pause(&headers)
        };
        let now = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(asked("7", now), Some(Duration::from_secs(7)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:00 GMT", now), Some(Duration::from_secs(23)));
        assert_eq!(asked("Sunday, 06-Nov-94 08:49:38 GMT", now), Some(Duration::from_secs(1)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Duration::ZERO), "long past");
        let far = asked("Tue, 31 Dec 2999 23:59:59 GMT", "no date").unwrap();
        assert!(far.as_secs() > 900 * 365 * 86400, "{far:?}");
        assert_eq!(asked("soon", now), None);
    }
}

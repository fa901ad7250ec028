//! What every request of an intercepted connection passes before it goes to the server: its name is checked, and secrets are put in.
//! Called by `proxy`.

use std::sync::Arc;

use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header::UPGRADE};

use super::{
    answer::{self, Body},
    name,
    secrets::Unfit,
    shared::Shared,
};
use crate::decision::{Destination, Refused};

/// The answer that refuses a request.
type Refusing = Box<Response<Body>>;

/// Checks the requests of one connection.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) shared: Arc<Shared>,
    pub(super) to: Destination,
    /// The name in the handshake, if the connection is TLS. Only then are secrets put in.
    pub(super) tls: Option<String>,
}

impl Gate {
    /// Lets a request pass, with secrets in it, or returns the answer that refuses it.
    pub(super) fn pass<B>(&self, request: &mut Request<B>) -> Result<(), Refusing> {
        let name = name::of_request(request.uri(), request.headers());
        if request.method() == Method::CONNECT {
            return Err(self.refuse(name, "a tunnel to another host (CONNECT)"));
        }
        let Some(name) = name else {
            return Err(self.refuse(None, "no single Host that is a name"));
        };
        // The upgrade to HTTP/2 would hide all further requests; a server that does not see the wish answers in HTTP/1.
        let is_h2c = |value: &http::HeaderValue| {
            value.as_bytes().to_ascii_lowercase().windows(3).any(|it| it == b"h2c")
        };
        if request.headers().get_all(UPGRADE).iter().any(is_h2c) {
            request.headers_mut().remove(UPGRADE);
        }
        match &self.tls {
            Some(sni) => {
                let method = request.method().clone();
                self.fill(sni, &name, &method, request.headers_mut())?;
            }
            None => self.shared.check(self.to, &name).map_err(|refused| self.forbid(&refused))?,
        }
        self.complete(request.uri_mut(), &name);
        Ok(())
    }

    fn fill(&self, sni: &str, name: &str, method: &Method, headers: &mut HeaderMap) -> Result<(), Refusing> {
        if sni != name {
            let rule = format!("the Host {name} differs from the name in the handshake, {sni}");
            self.shared.report(self.to, &Refused { rule: rule.clone(), name: Some(name.to_owned()) });
            let text = format!("A request to {sni} was refused, since secrets may be put into it: {rule}.\n");
            return Err(Box::new(answer::plain(StatusCode::MISDIRECTED_REQUEST, text)));
        }
        if *method == Method::TRACE {
            // Its answer is the request, secrets included.
            return Err(self.refuse(Some(name.to_owned()), "TRACE to a host that has secrets"));
        }
        self.shared.secrets.get().fill(name, headers).map_err(|Unfit(env)| {
            let text = format!("The value of the secret {env} has characters that no header can carry, such as a line break.\n");
            Box::new(answer::plain(StatusCode::BAD_GATEWAY, text))
        })
    }

    /// Gives the target of an HTTP/2 request without `:authority` the one in its Host.
    fn complete(&self, target: &mut Uri, name: &str) {
        if target.scheme().is_some() && target.authority().is_none() {
            let path = target.path_and_query().map_or("/", |path| path.as_str());
            let scheme = if self.tls.is_some() { "https" } else { "http" };
            if let Ok(complete) = Uri::builder().scheme(scheme).authority(name).path_and_query(path).build() {
                *target = complete;
            }
        }
    }

    fn refuse(&self, name: Option<String>, rule: &str) -> Refusing {
        self.forbid(&Refused { rule: rule.into(), name })
    }

    fn forbid(&self, refused: &Refused) -> Refusing {
        self.shared.report(self.to, refused);
        Box::new(answer::plain(StatusCode::FORBIDDEN, answer::refusal(self.to, refused)))
    }
}

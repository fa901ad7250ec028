//! The HTTP proxy that the gateway offers a box whose connections leave through a proxy of the host, on a connection of the box to
//! [`PROXY_PORT`](boxlite_spec::network::PROXY_PORT) of the gateway. `HTTPS_PROXY` and its like name it in the box, so that names which only
//! the host's proxy can resolve are reached, and requests without TLS, for which many proxies make no tunnel. It knows the host's
//! proxy and its password, of which the box knows nothing, and decides about every request as about a connection. Started by `tcp`.

use std::{convert::Infallible, io, net::IpAddr, sync::Arc, time::Duration};

use boxlite_spec::network::{control::Refusal, rule::Protocol};
use http::{
    Method, Request, Response, StatusCode, Uri,
    header::{CONNECTION, HOST, HeaderName, HeaderValue, PROXY_AUTHORIZATION},
    uri::PathAndQuery,
};
use http_body_util::{Either, Full};
use hyper::{body::Incoming, client::conn::http1, service::service_fn, upgrade};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, copy_bidirectional, duplex},
    net::TcpStream,
    time::{interval, timeout},
};

use super::dial::{Route, connect};
use crate::{
    decision::{Allowed, Decision, Destination, Refused},
    gateway::{
        inspector::{Inspector, Intercepted, Verdict},
        intercept::answer::{self, Body},
        names::Found,
        parts::Parts,
    },
};

/// How much lies between the box and an interceptor.
const PIPE: usize = 64 * 1024;
/// How often the policy, which may be replaced, is asked about a tunnel that is open.
const RECHECK: Duration = Duration::from_secs(1);
/// A header that programs send to proxies although no standard has it.
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

type Answer = Response<Body>;

/// Answers requests until the box ends the connection.
pub(super) async fn serve(stream: DuplexStream, parts: Parts) {
    let parts = Arc::new(parts);
    let service = service_fn(move |request| {
        let parts = Arc::clone(&parts);
        async move { Ok::<_, Infallible>(serve_request(parts, request).await.unwrap_or_else(|refused| *refused)) }
    });
    // Whoever ends a connection badly is told by its end.
    let _ended = hyper::server::conn::http1::Builder::new()
        .preserve_header_case(true)
        .auto_date_header(false)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

async fn serve_request(parts: Arc<Parts>, mut request: Request<Incoming>) -> Result<Answer, Box<Answer>> {
    let tunnel = request.method() == Method::CONNECT;
    if !tunnel && request.uri().scheme_str() != Some("http") {
        let text = "This is the HTTP proxy of the box's gateway: it takes CONNECT, and requests for http:// with a whole URL.\n";
        return Err(plain(StatusCode::BAD_REQUEST, text.into()));
    }
    let port = request.uri().port_u16().or((!tunnel).then_some(80));
    let (Some(host), Some(port)) = (request.uri().host().map(str::to_owned), port) else {
        return Err(plain(StatusCode::BAD_REQUEST, "The request names no host with a port.\n".into()));
    };
    let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    let (to, allowed) = find(&parts, &host, port).await.map_err(|(to, refused)| {
        report(&parts, to, &refused);
        plain(StatusCode::FORBIDDEN, answer::refusal(to, &refused))
    })?;
    if !tunnel {
        return forward(&parts, request, to, &allowed).await;
    }
    let server = within(&parts, connect(to, &allowed, parts.proxy.as_deref()));
    let server = server.await.map_err(|error| unreached(&parts, &host, to, &error))?;
    let from_box = upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(from_box) = from_box.await {
            let _ended = carry(&parts, to, allowed, TokioIo::new(from_box), server).await;
        }
    });
    Ok(Response::new(Either::Right(Full::default())))
}

/// Where `host` is, and how it is reached.
async fn find(
    parts: &Parts,
    host: &str,
    port: u16,
) -> Result<(Destination, Allowed), (Destination, Refused)> {
    let at = |address| Destination { protocol: Protocol::Tcp, address, port };
    if let Ok(address) = host.parse::<IpAddr>() {
        return decided(at(address), parts.decide.decide(at(address)));
    }
    match parts.names.look_up(host).await {
        Found::Addresses(addresses) => {
            // The first that is allowed, else why the first is not.
            let mut each = addresses
                .into_iter()
                .map(|address| decided(at(address), parts.decide.decide_named(at(address), host)));
            let first = each.next();
            match first {
                Some(Err(refused)) => each.find(Result::is_ok).unwrap_or(Err(refused)),
                Some(found) => Ok(found?),
                None => by_name(parts, host, port),
            }
        }
        Found::Refused(refused) => Err((at(UNKNOWN), refused)),
        // The host's proxy may know it.
        Found::Unknown => by_name(parts, host, port),
    }
    .map(|(to, allowed)| (to, Allowed { name: Some(host.to_owned()), ..allowed }))
}

/// Decides about a name of which the host knows no address.
fn by_name(parts: &Parts, host: &str, port: u16) -> Result<(Destination, Allowed), (Destination, Refused)> {
    let (to, decision) = parts.decide.decide_unresolved(host, port);
    decided(to, decision)
}

/// Stands for the address of a name that was refused before it had one.
const UNKNOWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

fn decided(to: Destination, decision: Decision) -> Result<(Destination, Allowed), (Destination, Refused)> {
    match decision {
        Decision::Allowed(allowed) => Ok((to, allowed)),
        Decision::Refused(refused) => Err((to, refused)),
    }
}

/// Passes on a request without TLS, to the host's proxy or directly.
async fn forward(
    parts: &Parts,
    mut request: Request<Incoming>,
    to: Destination,
    allowed: &Allowed,
) -> Result<Answer, Box<Answer>> {
    let host = request.uri().authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
    let failed = |error: &io::Error| unreached(parts, &host, to, error);
    // What a server believes is the URL's host, whatever the header says.
    let named = HeaderValue::from_str(&host).map_err(|error| failed(&io::Error::other(error)))?;
    request.headers_mut().insert(HOST, named);
    request.headers_mut().remove(PROXY_CONNECTION);
    request.headers_mut().remove(PROXY_AUTHORIZATION);
    let route = Route::new(to, allowed, parts.proxy.as_deref());
    if let Route::Proxy { authorization, .. } = &route {
        if let Some(authorization) = authorization {
            let mut value =
                HeaderValue::from_str(authorization).map_err(|error| failed(&io::Error::other(error)))?;
            value.set_sensitive(true);
            request.headers_mut().insert(PROXY_AUTHORIZATION, value);
        }
    } else {
        let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::from(path);
    }
    let server = within(parts, route.open()).await.map_err(|error| failed(&error))?;
    let other = |error: hyper::Error| unreached(parts, &host, to, &io::Error::other(error));
    let handshake = http1::Builder::new().preserve_header_case(true).handshake(TokioIo::new(server));
    let (mut sender, connection) = handshake.await.map_err(other)?;
    tokio::spawn(connection);
    let mut response = sender.send_request(request).await.map_err(other)?;
    // The connection to the proxy is of this request alone; that of the box goes on.
    response.headers_mut().remove(CONNECTION);
    response.headers_mut().remove(PROXY_CONNECTION);
    Ok(response.map(Either::Left))
}

/// Carries a tunnel, with the inspector's say about its first bytes, until both ends are done or the policy refuses it.
async fn carry(
    parts: &Parts,
    to: Destination,
    allowed: Allowed,
    mut from_box: impl AsyncRead + AsyncWrite + Unpin,
    mut server: TcpStream,
) -> io::Result<()> {
    let name = allowed.name.clone();
    let inspector = parts.inspector.as_ref().filter(|inspector| inspector.wants(to, &allowed));
    let mut first = Vec::new();
    let verdict = match inspector {
        Some(inspector) => {
            inspect(inspector.as_ref(), to, &allowed, &mut first, &mut from_box, &mut server).await?
        }
        None => Verdict::Pass { name: None },
    };
    match verdict {
        Verdict::Pass { .. } | Verdict::More => {
            server.write_all(&first).await?;
            while_allowed(parts, to, name.as_deref(), copy_bidirectional(&mut from_box, &mut server)).await
        }
        Verdict::Refuse { refused, answer } => {
            report(parts, to, &refused);
            from_box.write_all(&answer).await?;
            from_box.shutdown().await
        }
        Verdict::Intercept { name } => {
            let Some(inspector) = inspector else { return Ok(()) };
            let (mut ours, theirs) = duplex(PIPE);
            let intercepted = Intercepted { to, name: name.clone(), from_box: theirs, upstream: server };
            tokio::spawn(inspector.intercept(intercepted));
            ours.write_all(&first).await?;
            while_allowed(parts, to, Some(&name), copy_bidirectional(&mut from_box, &mut ours)).await
        }
    }
}

/// Holds the box's first bytes back until the inspector has seen enough. A server that speaks first is heard meanwhile, and can't be
/// intercepted any more.
async fn inspect(
    inspector: &dyn Inspector,
    to: Destination,
    allowed: &Allowed,
    first: &mut Vec<u8>,
    from_box: &mut (impl AsyncRead + AsyncWrite + Unpin),
    server: &mut TcpStream,
) -> io::Result<Verdict> {
    let mut greeting = vec![0; 4096];
    let mut answered = false;
    loop {
        tokio::select! {
            read = from_box.read_buf(first) => {
                if read? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                match inspector.inspect(to, allowed, first) {
                    Verdict::More => {}
                    Verdict::Intercept { .. } if answered => {
                        let rule = "the first bytes of the connection can't be inspected".into();
                        let refused = Refused { rule, name: allowed.name.clone() };
                        return Ok(Verdict::Refuse { refused, answer: Vec::new() });
                    }
                    verdict => return Ok(verdict),
                }
            }
            read = server.read(&mut greeting) => match read? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => {
                    answered = true;
                    from_box.write_all(&greeting[..count]).await?;
                }
            }
        }
    }
}

/// Carries on until it is done, or until a later policy refuses the destination.
async fn while_allowed<T>(
    parts: &Parts,
    to: Destination,
    name: Option<&str>,
    carried: impl Future<Output = io::Result<T>>,
) -> io::Result<()> {
    let refused = async {
        let mut ticks = interval(RECHECK);
        loop {
            ticks.tick().await;
            let decision = match name {
                Some(name) => parts.decide.decide_named(to, name),
                None => parts.decide.decide(to),
            };
            if matches!(decision, Decision::Refused(_)) {
                return;
            }
        }
    };
    tokio::select! {
        ended = carried => ended.map(drop),
        () = refused => Err(io::ErrorKind::ConnectionReset.into()),
    }
}

async fn within(
    parts: &Parts,
    connected: impl Future<Output = io::Result<TcpStream>>,
) -> io::Result<TcpStream> {
    timeout(parts.patience.dial, connected).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Says why a server was not reached.
fn unreached(parts: &Parts, host: &str, to: Destination, error: &io::Error) -> Box<Answer> {
    report(parts, to, &Refused { rule: format!("proxy: {error}"), name: Some(host.to_owned()) });
    let port = to.port;
    let text = format!("The gateway of this box could not reach {host}, port {port}: {error}.\n");
    plain(StatusCode::BAD_GATEWAY, text)
}

fn plain(status: StatusCode, text: String) -> Box<Answer> {
    Box::new(answer::plain(status, text))
}

fn report(parts: &Parts, to: Destination, refused: &Refused) {
    parts.reports.counters.count_refusal();
    parts.reports.refusals.report(Refusal {
        address: (to.address != UNKNOWN).then_some(to.address),
        port: to.port,
        protocol: to.protocol,
        name: refused.name.clone(),
        rule: refused.rule.clone(),
        count: 1,
    });
}

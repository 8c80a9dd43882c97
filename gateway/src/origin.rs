//! Where a request comes from. Every door asks this before it reads anything else.

use axum::http::{HeaderMap, header};

/// Whether a request may come from where it says: a page of another site may not use a gateway on
/// this machine, neither by its address nor by a name that was made to point here.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), &'static str> {
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let host = text(header::HOST).ok_or("the request names no host")?;
    if !is_loopback_name(host) {
        return Err("the request names a host that is not this machine's loopback");
    }
    match text(header::ORIGIN) {
        None => Ok(()),
        Some(origin) if origin.split_once("://").is_some_and(|(_, authority)| authority == host) => Ok(()),
        Some(_) => Err("the request comes from a page of another origin"),
    }
}

fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

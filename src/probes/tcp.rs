//! One attempt to open a TCP connection; nothing is sent, so any port may be asked for.

use super::names::Refused;
use super::prober::Prober;
use super::report::{ProbeReport, closed, leads_to_closed, nowhere, timed};
use super::text::{millis, short};
use std::io::{Error, ErrorKind};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Longest name of a host.
const LONGEST_NAME: usize = 253;

#[derive(Clone, Copy, Debug)]
pub struct TcpProbe<'a> {
    /// `host:port`; an IPv6 address stands in brackets.
    pub address: &'a str,
    /// For the whole attempt; at most a minute.
    pub timeout: Duration,
}

impl Prober {
    /// One attempt to connect. Of several addresses of a name one must accept, and none may be closed.
    pub async fn tcp(&self, probe: &TcpProbe<'_>) -> ProbeReport {
        let start = Instant::now();
        timed(&short(probe.address), probe.timeout, start, self.connect(probe, start)).await
    }

    async fn connect(&self, probe: &TcpProbe<'_>, start: Instant) -> Result<ProbeReport, ProbeReport> {
        let shown = short(probe.address);
        let (host, port) = read(probe.address).ok_or_else(|| {
            let reason = format!("{shown} is not a host and a port.");
            ProbeReport::not("bad_address", reason, "Give an `address` such as db.example.com:5432.").hopeless()
        })?;
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => {
                self.allow.check(address).map_err(|why| closed(&shown, why))?;
                vec![address]
            }
            Err(_) => self.names.clone().addresses(host.to_owned()).await.map_err(|refused| match refused {
                Refused::Blocked(why) => leads_to_closed(&shown, why),
                Refused::Nowhere => nowhere(&shown),
            })?,
        };
        let mut last = None;
        for address in addresses {
            match TcpStream::connect((address, port)).await {
                Ok(_) => return Ok(open(&shown, millis(start))),
                Err(error) => last = Some(error),
            }
        }
        Err(failed(&shown, last.as_ref()))
    }
}

fn open(shown: &str, latency_ms: u64) -> ProbeReport {
    let reason = format!("{shown} accepted a connection in {latency_ms} ms.");
    ProbeReport { ok: true, latency_ms, ..ProbeReport::not("healthy", reason, "") }
}

fn failed(shown: &str, error: Option<&Error>) -> ProbeReport {
    let (code, what) = match error.map(Error::kind) {
        Some(ErrorKind::ConnectionRefused) => ("connection_refused", "refused the connection"),
        _ => ("not_reachable", "could not be reached"),
    };
    ProbeReport::not(code, format!("{shown} {what}."), "See whether the service runs and is open to the network.")
}

fn read(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).filter(|h| h.contains(':'));
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_';
    let named = (1..=LONGEST_NAME).contains(&host.len()) && host.chars().all(plain);
    let host = bare.or_else(|| named.then_some(host))?;
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    Some((host, port.parse().ok().filter(|port| digits && *port > 0)?))
}

#[cfg(test)]
mod tests;

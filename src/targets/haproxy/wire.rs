//! One question to HAProxy's runtime API: a connection, a line, an answer to its end.
//!
//! Invariants: no question takes longer than the operator's limit; an answer is bounded; a name that could end the line or
//! begin another command never gets here ([`name`]).

use super::Trouble;
use crate::config::settings::BalancerAddress;
use crate::domain::Refusal;
use std::io::{self, ErrorKind};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// Largest answer, in bytes; a backend with hundreds of servers needs some 100 KB.
const LARGEST: u64 = 4 << 20;

/// Whether HAProxy could have a backend or server of this name, and nothing else could be meant by it.
pub(super) fn name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
}

/// Asks one line. Several commands are separated by `;`.
pub(super) async fn ask(at: &BalancerAddress, line: &str, limit: Duration) -> Result<String, Trouble> {
    let asked = async {
        match at {
            BalancerAddress::Unix(path) => talk(UnixStream::connect(path).await?, line).await,
            BalancerAddress::Tcp(address) => talk(TcpStream::connect(address).await?, line).await,
        }
    };
    let answer = match tokio::time::timeout(limit, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(why)) => return Err(unreachable(&why)),
        Err(_) => {
            let message = format!("HAProxy did not answer within {} ms.", limit.as_millis());
            let fix =
                "See whether HAProxy runs and is not overloaded; a runtime API with `mode tcp` and `expose-fd` is no use.";
            return Err(Trouble::later(Refusal::world("balancer_timed_out", message, fix)));
        }
    };
    match String::from_utf8(answer) {
        Ok(text) if (text.len() as u64) < LARGEST => Ok(text),
        _ => Err(nonsense("it is no text, or endless")),
    }
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, line: &str) -> io::Result<Vec<u8>> {
    stream.write_all(format!("{line}\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LARGEST).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// What the answer of a command that says nothing when all is well means.
pub(super) fn accepted(answer: &str) -> Result<(), Trouble> {
    match answer.lines().map(str::trim).find(|line| !line.is_empty()) {
        None => Ok(()),
        Some(complaint) => Err(complained(complaint)),
    }
}

/// Turns HAProxy's own sentences into ours. Of one that is not known only the start is repeated.
pub(super) fn complained(line: &str) -> Trouble {
    let operator = |code, message: &str, fix: &str| Trouble::never(Refusal::operator(code, message, fix));
    let user = |code, message: &str, fix: &str| Trouble::never(Refusal::user(code, message, fix));
    let starts = |text: &str| line.starts_with(text);
    if starts("Permission denied") {
        let fix = "Give the socket that Lockkeeper uses `level admin` in HAProxy's `stats socket` line.";
        operator("balancer_denied", "HAProxy's socket does not permit changes.", fix)
    } else if starts("No such backend") || starts("Can't find backend") || starts("No such proxy") {
        let fix = "Mend `traffic.backend` in .github/lockkeeper.toml, or HAProxy's configuration.";
        user("balancer_backend_unknown", "HAProxy has no backend of the name that `traffic` gives.", fix)
    } else if starts("No such server") {
        user("balancer_server_unknown", "The backend has no server of a name that `traffic.slots` gives.", MEND_SLOTS)
    } else if starts("Backend is using a static LB algorithm") {
        let fix = "Use `balance roundrobin`, `leastconn` or `random`, or a hash with `hash-type consistent`.";
        operator("balancer_static", "The backend's algorithm cannot change weights while it runs.", fix)
    } else {
        let said: String = line.chars().filter(|c| !c.is_control()).take(120).collect();
        operator(
            "balancer_refused",
            &format!("HAProxy refused: \"{said}\"."),
            "See HAProxy's management guide for what it means.",
        )
    }
}

pub(super) const MEND_SLOTS: &str = "Mend `traffic.slots` in .github/lockkeeper.toml, or HAProxy's configuration.";

pub(super) fn nonsense(what: &str) -> Trouble {
    let message = format!("HAProxy's answer cannot be used: {what}.");
    let fix = "See that the address of the balancer is the runtime API of HAProxy 2.4 or later.";
    Trouble::later(Refusal::operator("balancer_answer_unreadable", message, fix))
}

fn unreachable(why: &io::Error) -> Trouble {
    if why.kind() == ErrorKind::PermissionDenied {
        let message = "The server may not open HAProxy's socket.";
        let fix = "Let the server's user open it: `stats socket … mode 660 group …`.";
        return Trouble::never(Refusal::operator("balancer_denied", message, fix));
    }
    let message = format!("HAProxy could not be reached: {}.", why.kind());
    let fix = "See whether HAProxy runs, and whether `address` of the balancer is that of its runtime API.";
    Trouble::later(Refusal::operator("balancer_unreachable", message, fix))
}

//! What HAProxy says about the servers of a backend. Pure.
//!
//! Invariant: columns are found by their names, which stay the same over HAProxy's versions; one that is missing or holds
//! something else is an error, never a zero.

use super::wire::{complained, nonsense};
use crate::targets::Trouble;
use std::collections::BTreeMap;

/// One server, from `show servers state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub name: String,
    /// `srv_op_state`: 0 stopped, 1 starting (slow start), 2 running, 3 stopping.
    pub operation: u32,
    /// `srv_admin_state`: bits, see below.
    pub admin: u32,
    /// In use; what our weights set.
    pub weight: u32,
    /// In HAProxy's configuration.
    pub initial: u32,
}

/// Forced by the operator, inherited, of the configuration, by name resolution (twice).
const MAINTENANCE: u32 = 0x01 | 0x02 | 0x04 | 0x20 | 0x40;
/// Set through the runtime API.
const DRAIN: u32 = 0x08;
const INHERITED_DRAIN: u32 = 0x10;

impl Server {
    /// Up and in no maintenance: it would serve if users were sent to it.
    pub(super) fn is_usable(&self) -> bool {
        matches!(self.operation, 1 | 2) && self.admin & (MAINTENANCE | INHERITED_DRAIN) == 0
    }

    pub(super) fn is_in_maintenance(&self) -> bool {
        self.admin & MAINTENANCE != 0
    }

    pub(super) fn is_draining(&self) -> bool {
        self.admin & DRAIN != 0
    }

    /// What it counts for when HAProxy chooses a server for somebody new.
    pub(super) fn effective(&self) -> u32 {
        if self.is_usable() && !self.is_draining() { self.weight } else { 0 }
    }
}

/// HAProxy ends every answer with an empty line; without it somebody was cut off.
fn whole(answer: &str) -> Result<(), Trouble> {
    if answer.ends_with("\n\n") { Ok(()) } else { Err(nonsense("it breaks off")) }
}

/// Reads `show servers state <backend>`.
pub(super) fn servers(answer: &str, backend: &str) -> Result<Vec<Server>, Trouble> {
    whole(answer)?;
    let mut lines = answer.lines().filter(|line| !line.trim().is_empty());
    let version = lines.next().unwrap_or_default();
    if version.trim() != "1" {
        return Err(complained(version));
    }
    let names: Vec<&str> = lines.next().unwrap_or_default().trim_start_matches('#').split_whitespace().collect();
    let mut servers = Vec::new();
    for line in lines {
        let row: BTreeMap<&str, &str> = names.iter().copied().zip(line.split_whitespace()).collect();
        let text = |key: &str| row.get(key).copied().ok_or_else(|| nonsense(&format!("it has no {key}")));
        let number = |key: &str| text(key)?.parse::<u32>().map_err(|_| nonsense(&format!("its {key} is no number")));
        if text("be_name")? != backend {
            continue;
        }
        servers.push(Server {
            name: text("srv_name")?.to_owned(),
            operation: number("srv_op_state")?,
            admin: number("srv_admin_state")?,
            weight: number("srv_uweight")?,
            initial: number("srv_iweight")?,
        });
    }
    Ok(servers)
}

/// A row of `show stat`: columns by name.
pub(super) struct Row<'a>(BTreeMap<&'a str, String>);

impl Row<'_> {
    pub(super) fn text(&self, key: &str) -> Result<&str, Trouble> {
        self.0.get(key).map(String::as_str).ok_or_else(|| nonsense(&format!("it has no {key}")))
    }

    /// An empty field is a counter that does not apply, such as HTTP's in a backend that knows only TCP.
    pub(super) fn number(&self, key: &str) -> Result<u64, Trouble> {
        match self.text(key)? {
            "" => Ok(0),
            text => text.parse().map_err(|_| nonsense(&format!("its {key} is no number"))),
        }
    }
}

/// Reads `show stat <backend> 6 -1`: the backend's own row, if HAProxy gives it, and those of its servers by name.
pub(super) struct Stat<'a> {
    pub backend: Option<Row<'a>>,
    pub servers: BTreeMap<String, Row<'a>>,
}

pub(super) fn stat(answer: &str) -> Result<Stat<'_>, Trouble> {
    whole(answer)?;
    let mut lines = answer.lines().filter(|line| !line.trim().is_empty());
    let Some(head) = lines.next().unwrap_or_default().strip_prefix("# ") else {
        return Err(complained(answer.trim()));
    };
    let names: Vec<&str> = head.split(',').collect();
    let mut found = Stat { backend: None, servers: BTreeMap::new() };
    for line in lines {
        let row = Row(names.iter().copied().zip(fields(line)).collect());
        match row.text("type")? {
            "1" => found.backend = Some(row),
            "2" => drop(found.servers.insert(row.text("svname")?.to_owned(), row)),
            _ => {}
        }
    }
    Ok(found)
}

/// Fields of a line; those in quotes may hold commas, and quotes doubled.
fn fields(line: &str) -> Vec<String> {
    let (mut all, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    all.push(field);
    all
}

/// `Start_time_sec` and `Pid` of `show info`: another process means that weights and counters began anew.
pub(super) fn process(answer: &str) -> Result<String, Trouble> {
    whole(answer)?;
    let value = |key: &str| answer.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    match (value("Pid"), value("Start_time_sec")) {
        (Some(pid), Some(start)) => Ok(format!("{start}-{pid}")),
        (Some(pid), None) => Ok(pid.to_owned()),
        _ => Err(complained(answer.trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_x\n\
        3 web 1 blue1 127.0.0.1 2 0 90 1 5\n3 web 2 blue2 127.0.0.1 0 0 10 10 2\n3 web 3 green1 - 2 8 1 1 2\n\
        3 web 4 green2 - 2 4 1 1 2\n4 other 1 x - 2 0 7 7 1\n\n";

    #[test]
    fn servers_are_read_by_the_names_of_their_columns() {
        let all = servers(STATE, "web").unwrap();
        let seen: Vec<_> = all.iter().map(|s| (s.name.as_str(), s.is_usable(), s.is_draining(), s.effective())).collect();
        let expected =
            [("blue1", true, false, 90), ("blue2", false, false, 0), ("green1", true, true, 0), ("green2", false, false, 0)];
        assert_eq!(seen, expected);
        assert_eq!(servers("Permission denied\n\n", "web").unwrap_err().code(), "balancer_denied");
        assert_eq!(servers("\n\nCan't find backend.\n\n", "web").unwrap_err().code(), "balancer_backend_unknown");
        for cut in ["", "1\n", &STATE[..STATE.len() - 2]] {
            assert_eq!(servers(cut, "web").unwrap_err().code(), "balancer_answer_unreadable", "{cut}");
        }
        assert_eq!(servers("1\n# be_name srv_name\nweb a\n\n", "web").unwrap_err().code(), "balancer_answer_unreadable");
        let odd = STATE.replace(" 90 ", " -9 ");
        assert_eq!(servers(&odd, "web").unwrap_err().code(), "balancer_answer_unreadable");
    }

    #[test]
    fn counters_are_read_past_quotes_and_gaps() {
        let text = "# pxname,svname,scur,type,last_chk,hrsp_5xx,\nweb,BACKEND,1,1,,2,\nweb,a,3,2,\"no, \"\"really\"\"\",,\n\n";
        let stat = stat(text).unwrap();
        assert_eq!(stat.backend.unwrap().number("hrsp_5xx").unwrap(), 2);
        let server = &stat.servers["a"];
        assert_eq!((server.number("scur").unwrap(), server.number("hrsp_5xx").unwrap()), (3, 0));
        assert_eq!(server.text("last_chk").unwrap(), "no, \"really\"");
        assert!(server.number("last_chk").is_err() && server.text("absent").is_err());
    }

    #[test]
    fn another_process_is_another_beginning() {
        assert_eq!(process("Name: HAProxy\nPid: 12\nUptime_sec: 3\nStart_time_sec: 99\n\n").unwrap(), "99-12");
        assert_eq!(process("Permission denied\n\n").unwrap_err().code(), "balancer_denied");
    }
}

//! The address guard: which addresses the server may be sent to by a repository's configuration.
//!
//! Only addresses of the public internet are open. Everything that IANA's special-purpose registries set apart is closed,
//! and so is what may lead somewhere else than it says: IPv4 within IPv6 (mapped, NAT64, 6to4, Teredo), and the metadata
//! services of clouds. The operator opens what is needed with `LOCKKEEPER_ALLOW_ADDRESSES`.
//!
//! Sources: <https://www.iana.org/assignments/iana-ipv4-special-registry>, `iana-ipv6-special-registry` beside it, and the
//! Fetch standard's list of bad ports.

use crate::config::settings::AddressRange;
use crate::domain::Refusal;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

/// Addresses that the operator opens beside those of the public internet. Nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<AddressRange>);

/// Why an address is closed, in words that follow "is".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub what: &'static str,
    range: &'static str,
}

impl AllowList {
    /// Addresses and ranges such as `10.0.0.0/8, fd00::/8, 192.168.1.5`, separated by commas or blanks.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let parts = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|p| !p.is_empty());
        parts.map(|part| AddressRange::parse(part).ok_or_else(|| bad_entry(part))).collect::<Result<_, _>>().map(Self)
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(address))
    }

    /// `Ok` if the server may connect to the address.
    pub(super) fn check(&self, address: IpAddr) -> Result<(), Closed> {
        if self.contains(address) {
            // Opening NAT64 (networks without IPv4 need it) opens no IPv4 address that is closed.
            return nat64(address).map_or(Ok(()), |inner| self.check(inner));
        }
        match address {
            IpAddr::V4(v4) => closed_v4(v4),
            IpAddr::V6(v6) => closed_v6(v6),
        }
        .map_or(Ok(()), Err)
    }
}

fn bad_entry(part: &str) -> Refusal {
    let part: String = part.chars().filter(|c| !c.is_control()).take(60).collect();
    Refusal::operator(
        "bad_allow_list",
        format!("LOCKKEEPER_ALLOW_ADDRESSES holds \"{part}\", which is neither an address nor a range of addresses."),
        "Write addresses or ranges such as 10.0.0.0/8 or fd00::/8, separated by commas.",
    )
}

impl Closed {
    /// The range that the operator could open; `None` where nobody should.
    pub(super) fn range(&self) -> Option<&'static str> {
        (!self.range.is_empty() && self.what != METADATA && self.what != EMBEDDED).then_some(self.range)
    }
}

impl From<Vec<AddressRange>> for AllowList {
    fn from(ranges: Vec<AddressRange>) -> Self {
        Self(ranges)
    }
}

const METADATA: &str = "an address of a cloud's metadata service";
const RESERVED: &str = "a reserved address";
const EMBEDDED: &str = "an IPv6 address that hides an IPv4 address";

/// The first range that holds decides.
const CLOSED_V4: [(&str, &str); 21] = [
    ("169.254.169.254/32", METADATA),
    ("168.63.129.16/32", METADATA),
    ("100.100.100.200/32", METADATA),
    ("192.0.0.192/32", METADATA),
    ("0.0.0.0/8", "an address of this machine"),
    ("127.0.0.0/8", "an address of this machine"),
    ("10.0.0.0/8", "a private address"),
    ("172.16.0.0/12", "a private address"),
    ("192.168.0.0/16", "a private address"),
    ("100.64.0.0/10", "a provider's internal address"),
    ("169.254.0.0/16", "a link-local address"),
    ("192.0.0.0/24", RESERVED),
    ("192.0.2.0/24", "a documentation address"),
    ("198.51.100.0/24", "a documentation address"),
    ("203.0.113.0/24", "a documentation address"),
    ("192.31.196.0/24", RESERVED),
    ("192.52.193.0/24", RESERVED),
    ("192.88.99.0/24", RESERVED),
    ("192.175.48.0/24", RESERVED),
    ("198.18.0.0/15", "a test network's address"),
    ("224.0.0.0/3", "a multicast or reserved address"),
];

/// Mapped addresses (`::ffff:…`) aside. What no range here holds is open within 2000::/3 only.
const CLOSED_V6: [(&str, &str); 12] = [
    ("fd00:ec2::254/128", METADATA),
    ("fd20:ce::254/128", METADATA),
    ("::/127", "an address of this machine"),
    ("::/96", EMBEDDED),
    ("64:ff9b::/32", EMBEDDED),
    ("2002::/16", EMBEDDED),
    ("2001::/32", EMBEDDED),
    ("2001::/23", RESERVED),
    ("2001:db8::/32", "a documentation address"),
    ("3fff::/20", "a documentation address"),
    ("fe80::/10", "a link-local address"),
    ("fc00::/7", "a private address"),
];
const PUBLIC_V6: &str = "2000::/3";

type Table = Vec<(AddressRange, Closed)>;
static TABLE_V4: LazyLock<Table> = LazyLock::new(|| table(&CLOSED_V4));
static TABLE_V6: LazyLock<Table> = LazyLock::new(|| table(&CLOSED_V6));

/// A test sees to it that every range can be read.
fn table(rows: &[(&'static str, &'static str)]) -> Table {
    rows.iter().filter_map(|(range, what)| Some((AddressRange::parse(range)?, Closed { what, range }))).collect()
}

/// The IPv4 address in 64:ff9b::/96.
fn nat64(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address else { return None };
    let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = v6.segments() else { return None };
    Some(IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))))
}

fn closed_v4(address: Ipv4Addr) -> Option<Closed> {
    find(&TABLE_V4, IpAddr::V4(address))
}

fn closed_v6(address: Ipv6Addr) -> Option<Closed> {
    if address.to_ipv4_mapped().is_some() {
        return Some(Closed { what: EMBEDDED, range: "" });
    }
    let public = AddressRange::parse(PUBLIC_V6).is_some_and(|range| range.contains(IpAddr::V6(address)));
    find(&TABLE_V6, IpAddr::V6(address)).or((!public).then_some(Closed { what: RESERVED, range: "" }))
}

fn find(table: &Table, address: IpAddr) -> Option<Closed> {
    table.iter().find(|(range, _)| range.contains(address)).map(|(_, closed)| *closed)
}

/// Ports of services that a GET must not be sent to, as browsers do not.
#[rustfmt::skip]
const BAD_PORTS: [u16; 83] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111,
    113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548,
    554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665,
    6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

pub(super) fn port_is_open(port: u16) -> bool {
    !BAD_PORTS.contains(&port)
}

#[cfg(test)]
mod tests;

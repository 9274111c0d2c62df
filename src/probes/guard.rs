//! The address guard: which addresses the server may be sent to by a repository's configuration.
//!
//! Only addresses of the public internet are open. Everything that IANA's special-purpose registries set apart is closed,
//! and so is what may lead somewhere else than it says: IPv4 within IPv6 (mapped, NAT64, 6to4, Teredo), and the metadata
//! services of clouds. The operator opens what is needed with `LOCKKEEPER_ALLOW_ADDRESSES`.
//!
//! Sources: <https://www.iana.org/assignments/iana-ipv4-special-registry>, `iana-ipv6-special-registry` beside it, and the
//! Fetch standard's list of bad ports.

use crate::domain::Refusal;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses that the operator opens beside those of the public internet. Nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<Network>);

/// A range of addresses, `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    base: IpAddr,
    bits: u8,
}

/// Why an address is closed, in words that follow "is".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub what: &'static str,
    range: Network,
}

impl AllowList {
    /// Addresses and ranges such as `10.0.0.0/8, fd00::/8, 192.168.1.5`, separated by commas or blanks.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let parts = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|p| !p.is_empty());
        parts.map(|part| Network::parse(part).ok_or_else(|| bad_entry(part))).collect::<Result<_, _>>().map(Self)
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let plain = address.to_canonical();
        self.0.iter().any(|n| n.contains(address) || n.contains(plain))
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
        "Write addresses or ranges such as 10.0.0.0/8 or fd00::/8, separated by commas, with no bits set beyond the range.",
    )
}

impl Closed {
    /// The range that the operator could open; `None` where nobody should.
    pub(super) fn range(&self) -> Option<String> {
        (self.what != METADATA && self.what != EMBEDDED).then(|| self.range.to_string())
    }
}

impl Network {
    /// `None` also for a range with bits set beyond its length: `10.1.2.3/8` is more likely a slip than a wish.
    fn parse(text: &str) -> Option<Self> {
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().ok()?;
        let full = if base.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => full,
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => bits.parse().ok().filter(|b| *b <= full)?,
            Some(_) => return None,
        };
        let network = Self { base, bits };
        (number(base).0 & !network.mask() == 0).then_some(network)
    }

    fn contains(&self, address: IpAddr) -> bool {
        let (number, v4) = number(address);
        v4 == self.base.is_ipv4() && number & self.mask() == self::number(self.base).0
    }

    fn mask(&self) -> u128 {
        let full: u32 = if self.base.is_ipv4() { 32 } else { 128 };
        let free = full - u32::from(self.bits);
        let mask = u128::MAX.checked_shl(free).unwrap_or(0);
        if self.base.is_ipv4() { mask & u128::from(u32::MAX) } else { mask }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

fn number(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), true),
        IpAddr::V6(v6) => (v6.to_bits(), false),
    }
}

const METADATA: &str = "an address of a cloud's metadata service";
const RESERVED: &str = "a reserved address";
const EMBEDDED: &str = "an IPv6 address that hides an IPv4 address";

/// The first range that holds decides.
const CLOSED_V4: [([u8; 4], u8, &str); 21] = [
    ([169, 254, 169, 254], 32, METADATA),
    ([168, 63, 129, 16], 32, METADATA),
    ([100, 100, 100, 200], 32, METADATA),
    ([192, 0, 0, 192], 32, METADATA),
    ([0, 0, 0, 0], 8, "an address of this machine"),
    ([127, 0, 0, 0], 8, "an address of this machine"),
    ([10, 0, 0, 0], 8, "a private address"),
    ([172, 16, 0, 0], 12, "a private address"),
    ([192, 168, 0, 0], 16, "a private address"),
    ([100, 64, 0, 0], 10, "a provider's internal address"),
    ([169, 254, 0, 0], 16, "a link-local address"),
    ([192, 0, 0, 0], 24, RESERVED),
    ([192, 0, 2, 0], 24, "a documentation address"),
    ([198, 51, 100, 0], 24, "a documentation address"),
    ([203, 0, 113, 0], 24, "a documentation address"),
    ([192, 31, 196, 0], 24, RESERVED),
    ([192, 52, 193, 0], 24, RESERVED),
    ([192, 88, 99, 0], 24, RESERVED),
    ([192, 175, 48, 0], 24, RESERVED),
    ([198, 18, 0, 0], 15, "a test network's address"),
    ([224, 0, 0, 0], 3, "a multicast or reserved address"),
];

/// Within 2000::/3, which alone is given out to the public; the first range that holds decides.
const CLOSED_V6: [(u128, u8, &str); 14] = [
    (0xfd00_0ec2_0000_0000_0000_0000_0000_0254, 128, METADATA),
    (0xfd20_00ce_0000_0000_0000_0000_0000_0254, 128, METADATA),
    (0, 127, "an address of this machine"),
    (0xffff_0000_0000, 96, EMBEDDED),
    (0, 96, EMBEDDED),
    (0x0064_ff9b << 96, 32, EMBEDDED),
    (0x2002 << 112, 16, EMBEDDED),
    (0x2001_0000 << 96, 32, EMBEDDED),
    (0x2001 << 112, 23, RESERVED),
    (0x2001_0db8 << 96, 32, "a documentation address"),
    (0x3fff << 112, 20, "a documentation address"),
    (0xfe80 << 112, 10, "a link-local address"),
    (0xfc00 << 112, 7, "a private address"),
    (0xff00 << 112, 8, "a multicast address"),
];

/// The IPv4 address in 64:ff9b::/96.
fn nat64(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address else { return None };
    let bits = v6.to_bits();
    (bits >> 32 == 0x0064_ff9b << 64).then(|| IpAddr::V4(Ipv4Addr::from_bits((bits & u128::from(u32::MAX)) as u32)))
}

fn closed_v4(address: Ipv4Addr) -> Option<Closed> {
    let mut ranges = CLOSED_V4
        .iter()
        .map(|(base, bits, what)| Closed { what, range: Network { base: IpAddr::V4(Ipv4Addr::from(*base)), bits: *bits } });
    ranges.find(|c| c.range.contains(IpAddr::V4(address)))
}

fn closed_v6(address: Ipv6Addr) -> Option<Closed> {
    let network = |base: u128, bits| Network { base: IpAddr::V6(Ipv6Addr::from_bits(base)), bits };
    let mut ranges = CLOSED_V6.iter().map(|(base, bits, what)| Closed { what, range: network(*base, *bits) });
    let address = IpAddr::V6(address);
    ranges.find(|c| c.range.contains(address)).or_else(|| {
        let public = network(0x2000 << 112, 3).contains(address);
        (!public).then_some(Closed { what: RESERVED, range: Network { base: address, bits: 128 } })
    })
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

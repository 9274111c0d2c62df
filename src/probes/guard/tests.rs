use super::*;
use proptest::prelude::*;
use std::fmt::Write as _;

fn said(address: &str, allow: &str) -> String {
    match AllowList::parse(allow).unwrap().check(address.parse().unwrap()) {
        Ok(()) => "open".into(),
        Err(closed) => format!("{} {}", closed.what, closed.range().unwrap_or("-")),
    }
}

#[test]
fn every_range_of_the_tables_counts() {
    assert_eq!((TABLE_V4.len(), TABLE_V6.len()), (CLOSED_V4.len(), CLOSED_V6.len()));
    assert!(AddressRange::parse(PUBLIC_V6).is_some());
}

#[test]
fn the_public_internet_is_open() {
    for address in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "140.82.121.4",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "2001:4860:4860::8888",
        "2001:200::1",
        "2003::1",
    ] {
        assert_eq!(said(address, ""), "open", "{address}");
    }
}

#[test]
fn what_is_closed_and_why() {
    let mut table = String::new();
    for address in [
        "0.0.0.0",
        "127.0.0.1",
        "127.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "192.168.0.0",
        "192.168.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "100.100.100.200",
        "169.254.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "192.0.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "198.51.100.7",
        "203.0.113.9",
        "192.88.99.1",
        "198.18.0.1",
        "198.19.255.255",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::2",
        "::7f00:1",
        "::ffff:8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2002:7f00:1::",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fd12:3456::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ffff::1",
    ] {
        let said = said(address, "");
        assert_ne!(said, "open", "{address}");
        writeln!(table, "{address:18} {said}").unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn the_operator_opens_what_is_needed() {
    for (allow, address, open) in [
        ("10.0.0.0/8", "10.1.2.3", true),
        ("10.0.0.0/8", "::ffff:10.1.2.3", true),
        ("10.0.0.0/8", "11.1.2.3", true),
        ("10.1.0.0/16", "10.2.0.1", false),
        ("127.0.0.1", "127.0.0.1", true),
        ("127.0.0.1", "127.0.0.2", false),
        ("::1", "::1", true),
        ("::1 , fd00::/8,\n192.168.0.0/16", "fd00:ec2::254", true),
        ("192.168.0.0/16", "fd00::1", false),
        ("0.0.0.0/0", "169.254.169.254", true),
        ("0.0.0.0/0", "::1", false),
        ("::/0", "127.0.0.1", false),
        ("64:ff9b::/96", "64:ff9b::8.8.8.8", true),
        ("64:ff9b::/96", "64:ff9b::10.0.0.1", false),
        ("64:ff9b::/96,10.0.0.0/8", "64:ff9b::10.0.0.1", true),
        ("64:ff9b::/96", "64:ff9b::169.254.169.254", false),
    ] {
        assert_eq!(said(address, allow) == "open", open, "{allow} {address}");
    }
    for bad in ["10.0.0.0/33", "::/129", "localhost", "10/8", "10.0.0.0/", "10.0.0.0/+8", "1.2.3.4/0/1"] {
        let refusal = AllowList::parse(&format!("10.0.0.0/8,{bad}")).unwrap_err();
        assert_eq!(refusal.code, "bad_allow_list");
        assert!(refusal.message.contains(bad), "{refusal}");
    }
    assert_eq!(AllowList::parse(" , ").unwrap(), AllowList::default());
}

#[test]
fn ports_of_other_services_are_closed() {
    assert!([80, 443, 8080, 8443, 3000, 65535].into_iter().all(port_is_open));
    assert!(![0, 22, 25, 53, 587, 6667, 10080].into_iter().any(port_is_open));
}

proptest! {
    /// The standard library's opinion, where it has one, never differs toward open.
    #[test]
    fn never_opens_what_std_calls_special(bits in any::<u32>()) {
        let v4 = Ipv4Addr::from_bits(bits);
        let special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_broadcast() || v4.is_documentation()
            || v4.is_multicast() || v4.is_unspecified();
        prop_assert!(!special || closed_v4(v4).is_some());
        // Nothing that carries an IPv4 address within is open.
        for v6 in [v4.to_ipv6_mapped().to_bits(), u128::from(bits), (0x0064_ff9b_u128 << 96) | u128::from(bits),
            (0x2002_u128 << 112) | (u128::from(bits) << 80), (0x2001_0000_u128 << 96) | u128::from(bits)] {
            prop_assert!(AllowList::default().check(IpAddr::V6(Ipv6Addr::from_bits(v6))).is_err());
        }
    }

    #[test]
    fn never_opens_special_ipv6(bits in any::<u128>(), head in prop::sample::select(vec![0xfc_u128, 0xfd, 0xfe, 0xff, 0, 0x20])) {
        let v6 = Ipv6Addr::from_bits((head << 120) | (bits >> 8));
        let special = v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_multicast() || v6.is_loopback() || v6.is_unspecified();
        prop_assert!(!special || closed_v6(v6).is_some());
        prop_assert!(closed_v6(v6).is_some() || (v6.segments()[0] & 0xe000) == 0x2000);
    }

    /// A range holds exactly the addresses between its ends.
    #[test]
    fn ranges_are_exact(base in any::<u32>(), bits in 0_u8..=32, other in any::<u32>()) {
        let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
        let list = AllowList::parse(&format!("{}/{bits}", Ipv4Addr::from_bits(base))).unwrap();
        prop_assert!(list.contains(IpAddr::V4(Ipv4Addr::from_bits(base))));
        prop_assert_eq!(list.contains(IpAddr::V4(Ipv4Addr::from_bits(other))), other & mask == base & mask);
    }

    #[test]
    fn any_text_is_judged(text in "[0-9a-f:./, ]{0,40}|.{0,40}") {
        let _ = AllowList::parse(&text);
    }
}

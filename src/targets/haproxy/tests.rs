//! What needs no HAProxy; the rest is in `tests/it/haproxy.rs`.

use super::*;
use crate::config::settings::{BalancerAddress, Repositories};

fn settings() -> BalancerSettings {
    BalancerSettings {
        address: BalancerAddress::Unix("/nowhere".into()),
        timeout: Duration::from_secs(1),
        backends: vec!["web".into()],
        repositories: Repositories(vec!["acme/*".into()]),
    }
}

fn build(backend: &str, blue: &[&str], green: &[&str], repo: &str) -> Result<Haproxy, String> {
    let names = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    let slots = PerSlot { blue: names(blue), green: names(green) };
    let traffic = HaproxyTraffic { balancer: "edge".into(), backend: backend.into(), slots };
    Haproxy::new(&settings(), &traffic, &RepoName::parse(repo).unwrap()).map_err(|refusal| refusal.code)
}

#[test]
fn nothing_but_names_reaches_the_socket_and_only_what_is_lent() {
    assert!(build("web", &["a"], &["b"], "Acme/shop").is_ok());
    for (backend, blue, green, repo, code) in [
        ("web", &["a"][..], &["b"][..], "evil/shop", "balancer_not_allowed"),
        ("db", &["a"], &["b"], "acme/shop", "balancer_not_allowed"),
        ("web", &["a;shutdown"], &["b"], "acme/shop", "balancer_names_invalid"),
        ("web", &["a"], &["b\nset"], "acme/shop", "balancer_names_invalid"),
        ("web", &["a/b"], &["c"], "acme/shop", "balancer_names_invalid"),
        ("web", &["a b"], &["c"], "acme/shop", "balancer_names_invalid"),
        ("web", &["a"], &["a"], "acme/shop", "balancer_names_invalid"),
        ("web", &[], &["a"], "acme/shop", "balancer_names_invalid"),
        ("web", &[""], &["a"], "acme/shop", "balancer_names_invalid"),
    ] {
        assert_eq!(build(backend, blue, green, repo).unwrap_err(), code, "{backend} {blue:?} {green:?} {repo}");
    }
}

/// Every pair of weights before and after: in between, the slot that gains has no more than in the end, and nobody is left
/// without a server.
#[test]
fn the_order_of_changes_never_overshoots() {
    for [b0, g0, b1, g1] in every(&[0, 1, 9, 10, 90, 100]) {
        let (before, after) = (PerSlot { blue: b0, green: g0 }, PerSlot { blue: b1, green: g1 });
        if b0 + g0 == 0 || b1 + g1 == 0 {
            continue;
        }
        let between = match order(&before, &after) {
            [Slot::Blue, Slot::Green] => (b1, g0),
            _ => (b0, g1),
        };
        assert!(between.0 + between.1 > 0, "{before:?} {after:?}");
        let green = |(blue, green): (u32, u32)| f64::from(green) / f64::from(blue + green);
        let (was, is, now) = (green((b0, g0)), green((b1, g1)), green(between));
        if is > was {
            assert!(now <= is + 1e-9, "{before:?} {after:?} {between:?}");
        } else if is < was {
            assert!(1.0 - now <= 1.0 - is + 1e-9, "{before:?} {after:?} {between:?}");
        }
    }
}

fn every(values: &[u32]) -> Vec<[u32; 4]> {
    let pairs: Vec<(u32, u32)> = values.iter().flat_map(|a| values.iter().map(|b| (*a, *b))).collect();
    pairs.iter().flat_map(|(a, b)| pairs.iter().map(|(c, d)| [*a, *b, *c, *d])).collect()
}

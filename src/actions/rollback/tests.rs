//! Which version a rollback leads to.

use super::*;
use crate::domain::{Millis, RunId, Tag};

fn sha(n: u8) -> Sha {
    Sha::parse(&format!("{n:02x}").repeat(20)).unwrap()
}

/// Newest first; `!` is bad, `|` a barrier.
fn history(words: &[&str]) -> Vec<LedgerEntry> {
    let entry = |word: &&str| {
        let n: u8 = word.trim_matches(['!', '|']).parse().unwrap();
        LedgerEntry {
            run: RunId::parse(&format!("run-{n}")).unwrap(),
            sha: sha(n),
            tag: Some(Tag::parse(&format!("v1.{n}.0")).unwrap()),
            version: Some(format!("1.{n}.0")),
            component: None,
            deployment: None,
            url: None,
            slot: None,
            barrier: word.contains('|'),
            rollback: false,
            good: !word.contains('!'),
            share: None,
            since: Millis(i64::from(n)),
            until: None,
        }
    };
    words.iter().map(entry).collect()
}

#[test]
fn the_newest_good_one_that_no_barrier_hides() {
    type Case = (&'static [&'static str], Option<&'static str>, Result<u8, &'static str>);
    let cases: [Case; 13] = [
        (&["3", "2", "1"], None, Ok(2)),
        (&["3!", "2!", "1"], None, Ok(1)),
        // Live by a rollback of 3; 3 is bad.
        (&["2", "3!", "2", "1"], None, Ok(1)),
        (&["3"], None, Err("nothing_to_roll_back_to")),
        (&[], None, Err("nothing_to_roll_back_to")),
        (&["3", "2!"], None, Err("nothing_to_roll_back_to")),
        (&["3|", "2", "1"], None, Err("rollback_forbidden")),
        (&["3", "2|", "1"], None, Ok(2)),
        (&["3", "2|!", "1"], None, Err("rollback_forbidden")),
        (&["3", "2", "1"], Some("v1.1.0"), Ok(1)),
        (&["3", "2|", "1"], Some("1.1.0"), Err("rollback_forbidden")),
        (&["3", "2!", "1"], Some("v1.2.0"), Err("not_a_good_version")),
        (&["3", "2", "1"], Some("v1.3.0"), Err("not_a_good_version")),
    ];
    for (words, to, wanted) in cases {
        let history = history(words);
        let leaving = history.first().map_or(sha(9), |entry| entry.sha.clone());
        let found = target(&history, &leaving, to, &[]);
        let found = found.map(|entry| entry.sha.clone()).map_err(|refusal| refusal.code);
        assert_eq!(found, wanted.map(sha).map_err(str::to_owned), "{words:?} {to:?}");
    }
}

#[test]
fn a_commit_is_named_by_seven_digits_at_least() {
    let history = history(&["3", "2"]);
    assert!(target(&history, &sha(3), Some(sha(2).short()), &[]).is_ok());
    assert!(target(&history, &sha(3), Some("02"), &[]).is_err());
}

#[test]
fn a_version_whose_commit_is_gone_gives_way_to_the_next_older_one() {
    type Case = (&'static [&'static str], Option<&'static str>, &'static [u8], Result<u8, &'static str>);
    let cases: [Case; 7] = [
        (&["4", "3", "2", "1"], None, &[3], Ok(2)),
        (&["4", "3", "2!", "1"], None, &[3], Ok(1)),
        (&["4", "3", "2", "1"], None, &[3, 2, 1], Err("rollback_target_unsafe")),
        // What lies behind the barrier stays there.
        (&["4", "3|", "2", "1"], None, &[3], Err("rollback_target_unsafe")),
        (&["4"], None, &[3], Err("nothing_to_roll_back_to")),
        (&["4", "3", "2", "1"], Some("v1.3.0"), &[3], Err("rollback_target_unsafe")),
        (&["4", "3", "2", "1"], Some("v1.2.0"), &[3], Ok(2)),
    ];
    for (words, to, gone, wanted) in cases {
        let history = history(words);
        let gone: Vec<Sha> = gone.iter().copied().map(sha).collect();
        let found = target(&history, &sha(4), to, &gone);
        let found = found.map(|entry| entry.sha.clone()).map_err(|refusal| refusal.code);
        assert_eq!(found, wanted.map(sha).map_err(str::to_owned), "{words:?} {to:?} without {gone:?}");
    }
    let history = history(&["4", "3", "2!", "3", "1"]);
    let all = |to| targets(&history, &sha(4), to).unwrap().iter().map(|entry| entry.sha.clone()).collect::<Vec<_>>();
    assert_eq!((all(None), all(Some("v1.1.0"))), (vec![sha(3), sha(1)], vec![sha(1)]));
}

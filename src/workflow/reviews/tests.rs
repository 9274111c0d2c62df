use super::*;
use crate::domain::{ActorKind, Millis, UserId};

fn sha(letter: char) -> Sha {
    Sha::parse(&letter.to_string().repeat(40)).unwrap()
}

/// `d` merges `c` into `b`; all come from `a`.
fn commit(letter: char, parents: &str, account: u64) -> Commit {
    let parents: Vec<Sha> = parents.chars().map(sha).collect();
    serde_json::from_value(serde_json::json!({
        "sha": sha(letter), "message": format!("feat: {letter}"), "parents": parents, "account": account, "login": format!("user{account}"),
        "author_email": format!("user{account}@example.com"),
    }))
    .unwrap()
}

fn history() -> Vec<Commit> {
    vec![commit('d', "bc", 4), commit('c', "a", 3), commit('b', "a", 2), commit('a', "", 1)]
}

fn user(id: u64) -> Actor {
    Actor { kind: ActorKind::User, id: UserId(id), login: format!("user{id}") }
}

#[test]
fn what_is_live_is_not_brought_again() {
    let known = history();
    let with = |live: Option<char>| -> String {
        let live = live.map(sha);
        let all = brought(&known, &sha('d'), live.as_ref());
        all.iter().map(|commit| commit.sha.as_str().chars().next().unwrap()).collect()
    };
    assert_eq!(with(None), "dcba");
    assert_eq!(with(Some('e')), "dcba", "a commit that is not among the known ones takes nothing away");
    assert_eq!(with(Some('b')), "dc");
    assert_eq!(with(Some('a')), "dcb");
    assert_eq!(with(Some('d')), "d", "the head is brought in any case");
}

#[test]
fn an_author_is_known_by_number_by_login_and_as_a_co_author() {
    let mut known = history();
    let writes = |by: &Actor, known: &[Commit], live: Option<char>| {
        let live = live.map(sha);
        is_author(by, &brought(known, &sha('d'), live.as_ref()), known)
    };
    assert!(writes(&user(4), &known, Some('b')) && writes(&user(3), &known, Some('b')));
    assert!(!writes(&user(2), &known, Some('b')), "what they wrote is live");
    assert!(!writes(&user(9), &known, None));
    let renamed = Actor { login: "user4".into(), ..user(9) };
    assert!(!writes(&renamed, &known, None), "a login that changed hands is another one's");
    known[0].account = None;
    assert!(writes(&renamed, &known, None), "without a number the login must do");
    for (trailer, who) in [
        ("Co-authored-by: Some One <7+anything@users.noreply.github.com>", 7),
        ("co-authored-by: x <user8@users.noreply.github.com>", 8),
        ("CO-AUTHORED-BY: y <user1@example.com>", 1),
    ] {
        known[0].message = format!("feat: d\n\n{trailer}");
        assert!(writes(&user(who), &known, Some('b')), "{trailer}");
        known[0].message = format!("feat: d\n\nnot {trailer}");
        assert!(!writes(&user(who), &known, Some('b')), "{trailer}");
    }
}

#[test]
fn flags_come_from_what_was_read() {
    let known = history();
    let review = |by: Actor, said: Said| Review { by, at: Millis(5), digest: "d".into(), teams: vec!["sre".into()], said };
    let no = Said::Rejected { reason: "no".into() };
    let said = vec![review(user(2), Said::Approved), review(user(3), no), review(user(5), Said::Approved)];
    let reviews = Reviews { said, ..Reviews::default() };
    let all = brought(&known, &sha('d'), None);
    let flags = |requester: &Actor| -> Vec<(u64, bool, bool)> {
        let all = approvals(&reviews, requester, &all, &known);
        all.iter().map(|a| (a.by.id.0, a.is_requester, a.is_author)).collect()
    };
    assert_eq!(flags(&user(5)), [(2, false, true), (5, true, false)]);
    // An agent asks for somebody; a key's number is no account's.
    assert_eq!(flags(&Actor { kind: ActorKind::Agent, ..user(5) })[1], (5, true, false));
    assert_eq!(flags(&Actor { kind: ActorKind::Key, ..user(5) })[1], (5, false, false));
    let [no] = rejections(&reviews).try_into().unwrap();
    assert_eq!((no.by, no.reason.as_str()), (user(3), "no"));
}

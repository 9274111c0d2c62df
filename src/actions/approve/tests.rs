use super::*;
use crate::domain::{InstallationId, RepoId, RepoRef, Sha, UserId};
use crate::plan::{Digest, Pin, Work};

fn plan(policies: Vec<ApprovalsPolicy>) -> Plan {
    let repo = RepoRef { id: RepoId(1), name: RepoName::parse("acme/shop").unwrap(), installation: InstallationId(1) };
    let config = Digest::of(&serde_json::Value::Null);
    let pin = Pin {
        sha: Sha::parse(&"a".repeat(40)).unwrap(),
        tag: None,
        version: None,
        component: None,
        config,
        configuration: None,
    };
    let gates = policies.into_iter().map(GatePolicy::Approvals).chain([GatePolicy::Lock]).collect();
    Plan::new("deploy", repo, Actor::schedule(), pin, Some("production".into()), Work { gates, steps: Vec::new() })
}

fn policy(teams: &[&str], users: &[&str], not_author: bool) -> ApprovalsPolicy {
    let texts = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect();
    ApprovalsPolicy { teams: texts(teams), users: texts(users), not_author, ..ApprovalsPolicy::one_person() }
}

fn ann() -> Actor {
    Actor { kind: ActorKind::User, id: UserId(3), login: "ann".into() }
}

#[test]
fn who_may_say_what_of_which_plan() {
    let (open, named) = (|| policy(&[], &[], false), || policy(&["sre"], &["Ann"], false));
    let (sre, strict) = (|| policy(&["SRE"], &[], false), || policy(&[], &[], true));
    let no = || Said::Rejected { reason: "no".into() };
    let as_ = |role, teams: &[&str], is_requester, is_author| {
        (role, teams.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>(), is_requester, is_author)
    };
    use Role::{Admin, Read, Write};
    for (what, policies, said, (role, teams, is_requester, is_author), code) in [
        ("whoever may write", vec![open()], Said::Approved, as_(Write, &[], false, false), None),
        ("who only reads", vec![open()], Said::Approved, as_(Read, &[], false, false), Some("not_allowed")),
        ("the requester", vec![open()], Said::Approved, as_(Admin, &[], true, false), Some("self_approval")),
        ("the requester rejects", vec![open()], no(), as_(Write, &[], true, false), None),
        ("a reader rejects", vec![open()], no(), as_(Read, &[], false, false), Some("not_allowed")),
        ("by name, with no role", vec![named()], Said::Approved, as_(Read, &[], false, false), None),
        ("an admin outside the team", vec![sre()], Said::Approved, as_(Admin, &["dev"], false, false), Some("not_allowed")),
        ("of the team", vec![sre()], Said::Approved, as_(Read, &["sre"], false, false), None),
        (
            "a member who is another by now",
            vec![sre()],
            Said::Approved,
            as_(Role::None, &["sre"], false, false),
            Some("not_allowed"),
        ),
        ("an outsider rejects", vec![sre()], no(), as_(Admin, &[], false, false), Some("not_allowed")),
        ("an author where they may", vec![open()], Said::Approved, as_(Write, &[], false, true), None),
        ("an author", vec![strict()], Said::Approved, as_(Write, &[], false, true), Some("author_approval")),
        ("an author rejects", vec![strict()], no(), as_(Write, &[], false, true), None),
        ("one of two gates", vec![sre(), open()], Said::Approved, as_(Write, &[], false, false), None),
        ("an author, for one of two", vec![strict(), open()], Said::Approved, as_(Write, &[], false, true), None),
        ("nobody is asked", vec![], Said::Approved, as_(Admin, &[], false, false), Some("nothing_to_approve")),
    ] {
        let (plan, actor) = (plan(policies), ann());
        let voice = Voice { actor: &actor, role, teams: &teams, is_requester, is_author };
        assert_eq!(check(&plan, &said, &voice).map_err(|refusal| refusal.code).err().as_deref(), code, "{what}");
    }
}

#[test]
fn only_people() {
    let plan = plan(vec![policy(&[], &[], false)]);
    for kind in [ActorKind::Bot, ActorKind::Agent, ActorKind::Key, ActorKind::Operator, ActorKind::Schedule] {
        let actor = Actor { kind, ..ann() };
        let voice = Voice { actor: &actor, role: Role::Admin, teams: &[], is_requester: false, is_author: false };
        assert_eq!(check(&plan, &Said::Approved, &voice).map_err(|refusal| refusal.code), Err("people_only".to_owned()));
    }
}

#[test]
fn nobody_rejects_without_a_reason() {
    for reason in ["", " \n"] {
        assert_eq!(rejection(reason).map_err(|refusal| refusal.code), Err("reason_missing".to_owned()));
    }
    assert_eq!(rejection(" x "), Ok(Said::Rejected { reason: "x".into() }));
}

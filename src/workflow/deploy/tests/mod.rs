//! The laws of a deployment (product.md's invariants 2 to 10) for the real workflow in a model world: random places, troubles,
//! words of people, clocks and crashes. What each law is worth is shown by a mutation that breaks it.
//!
//! Invariant 1, the lease, is a property of the store: `store::ledger`.

mod answers;
mod case;
mod driver;
mod laws;
mod mutations;
mod world;

use super::ERRAND;
use crate::config::repo::Rollback;
use crate::workflow::report::State;
use case::{Asks, Before, By, Case, Crash, Deployer, Kind, NEWER, Numbers, Said, Trouble, cases, crashes, part};
use driver::{Driver, End};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use world::Mutation;

fn run(case: &Case, mutation: Mutation) -> Result<End, String> {
    Driver::new(case, mutation).run()
}

/// As if nothing had crashed.
fn same_after_crashes(case: &Case, mutation: Mutation) -> Result<(), String> {
    same_as(&run(&Case { crashes: Vec::new(), ..case.clone() }, Mutation::None)?, case, mutation)
}

fn same_as(calm: &End, case: &Case, mutation: Mutation) -> Result<(), String> {
    let end = run(case, mutation).map_err(|why| format!("after crashes, {why}"))?;
    match (calm.state, &calm.scene) == (end.state, &end.scene) {
        true => Ok(()),
        false => Err(format!("law 9: {:?} instead of {:?}: {}", end.state, calm.state, end.scene)),
    }
}

/// Looks at so many random cases, or at `LAWS` of them.
fn hold(count: u32, cases: impl Strategy<Value = Case>, check: impl Fn(&Case) -> Result<(), String>) -> Result<(), String> {
    let wanted = std::env::var("LAWS").ok().and_then(|count| count.parse().ok()).unwrap_or(count);
    first_broken(wanted, 100, cases, check)
}

/// The first case that breaks a law, tried to be made simpler so often.
fn first_broken(
    count: u32,
    shrinks: u32,
    cases: impl Strategy<Value = Case>,
    check: impl Fn(&Case) -> Result<(), String>,
) -> Result<(), String> {
    let config = Config { cases: count, failure_persistence: None, max_shrink_iters: shrinks, ..Config::default() };
    let result = TestRunner::new(config).run(&cases, |case| check(&case).map_err(TestCaseError::fail));
    result.map_err(|why| match why {
        TestError::Fail(reason, case) => format!("{reason} with {case:?}"),
        TestError::Abort(reason) => format!("aborted: {reason}"),
    })
}

fn disturbed() -> impl Strategy<Value = Case> {
    (cases(), crashes()).prop_map(|(case, crashes)| Case { crashes, ..case })
}

#[test]
fn the_laws_hold_whatever_happens() {
    hold(40, cases(), |case| run(case, Mutation::None).map(|_| ())).unwrap();
}

#[test]
fn a_crash_changes_nothing_whatever_happens() {
    hold(10, disturbed(), |case| same_after_crashes(case, Mutation::None)).unwrap();
}

/// Few questions, so that each of them can be crashed at.
fn short(kind: Kind) -> Case {
    Case { balancer: false, analysis: kind == Kind::Direct, ..Case::good(kind) }
}

#[test]
fn a_crash_at_any_call_changes_nothing() {
    for case in [
        short(Kind::Gradual),
        Case { before: Before::Halted, ..short(Kind::BlueGreen) },
        Case { said: vec![(60, Said::Abort)], ..short(Kind::Gradual) },
        Case { numbers: Numbers::Bad, ..short(Kind::Direct) },
    ] {
        let calls = Driver::new(&case, Mutation::None).count().unwrap();
        assert!((12..80).contains(&calls), "{calls}: {case:?}");
        let calm = run(&case, Mutation::None).unwrap();
        for at in 0..calls {
            for crash in [Crash::BeforeAct, Crash::Unrecorded, Crash::Recorded] {
                let crashes = vec![(u8::try_from(at).unwrap(), crash)];
                same_as(&calm, &Case { crashes, ..case.clone() }, Mutation::None).unwrap();
            }
        }
    }
}

/// The cases are worth something: each end can be reached, and the laws hold on the way.
#[test]
fn every_end_is_reached() {
    use State::{Cancelled, Expired, Failed, HaltedForward, Indeterminate, Rejected, RollbackFailed, RolledBack, Succeeded};
    let (gradual, direct, blue) = (Case::good(Kind::Gradual), Case::good(Kind::Direct), Case::good(Kind::BlueGreen));
    let newer = Before::Live(NEWER);
    let ends = [
        (Succeeded, gradual.clone()),
        (Succeeded, Case { before: Before::Nothing, ..blue.clone() }),
        (Succeeded, Case { before: Before::Halted, ..gradual.clone() }),
        (Succeeded, Case { back: true, before: newer, ..gradual.clone() }),
        (Rejected, Case { before: Before::Halted, asks: Asks::Tag, ..gradual.clone() }),
        (Rejected, Case { before: newer, ..direct.clone() }),
        (State::Superseded, Case { before: newer, asks: Asks::Tag, ..gradual.clone() }),
        (Expired, Case { green_after: None, ..gradual.clone() }),
        (Cancelled, Case { locked_for: 90, said: vec![(20, Said::Abort)], ..gradual.clone() }),
        (Failed, Case { deployer: Deployer::Fails, ..gradual.clone() }),
        (Failed, Case { deployer: Deployer::Hangs, ..blue.clone() }),
        (Failed, Case { deployer: Deployer::Lies, ..blue.clone() }),
        (Failed, Case { by: By::Workflow, deployer: Deployer::Lies, ..blue.clone() }),
        (Failed, Case { by: By::Reporter, deployer: Deployer::Lies, ..blue.clone() }),
        (Succeeded, Case { by: By::Workflow, balancer: false, ..gradual.clone() }),
        (Succeeded, Case { by: By::Reporter, counts: true, ..gradual.clone() }),
        (Rejected, Case { asks: Asks::Key { good: false }, ..gradual.clone() }),
        (RolledBack, Case { counts: true, numbers: Numbers::Bad, ..gradual.clone() }),
        (Failed, Case { sick: (0, 300), ..gradual.clone() }),
        // Well before the first users came, and not any more before the next ones do.
        (RolledBack, Case { sick: (60, 300), balancer: false, ..gradual.clone() }),
        (RolledBack, Case { numbers: Numbers::Bad, ..gradual.clone() }),
        (RolledBack, Case { numbers: Numbers::Bad, ..direct.clone() }),
        (RolledBack, Case { numbers: Numbers::Nothing, ..gradual.clone() }),
        (RolledBack, Case { said: vec![(60, Said::Abort)], ..gradual.clone() }),
        (RollbackFailed, Case { numbers: Numbers::Bad, back_works: false, ..direct.clone() }),
        // GitHub makes the deployment of the way back with another commit.
        (
            RollbackFailed,
            Case { numbers: Numbers::Bad, troubles: vec![(part("back.deployment"), Trouble::OtherSha)], ..direct },
        ),
        (HaltedForward, Case { numbers: Numbers::Bad, rollback: Rollback::Forbidden, ..gradual.clone() }),
        (HaltedForward, Case { old_dies: Some(120), ..gradual.clone() }),
        (HaltedForward, Case { old_dies: Some(120), rollback: Rollback::Forbidden, ..gradual }),
        (Indeterminate, Case { troubles: vec![(part(ERRAND), Trouble::DoneUnknown)], ..blue }),
    ];
    for (wanted, case) in ends {
        let end = run(&case, Mutation::None).unwrap_or_else(|why| panic!("{why} with {case:?}"));
        assert_eq!(end.state, wanted, "{case:?}");
    }
}

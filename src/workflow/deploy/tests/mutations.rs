//! For each law a defect that breaks it, so that the law is known to be able to fail.

use super::case::{Before, Case, Crash, Deployer, Kind, NEWER, Numbers, Said, cases};
use super::world::Mutation;
use super::{disturbed, first_broken, run, same_after_crashes};

/// The defect is found as a breach of this law, and nothing is wrong without it.
fn found(law: u8, mutation: Mutation, case: &Case) {
    run(case, Mutation::None).unwrap_or_else(|why| panic!("without the defect: {why}"));
    let why = run(case, mutation).err().unwrap_or_else(|| panic!("{mutation:?} was not found"));
    assert!(why.starts_with(&format!("law {law}:")), "{mutation:?}: {why}");
}

#[test]
fn law_2_can_fail() {
    found(2, Mutation::Drifts, &Case::good(Kind::Gradual));
}

#[test]
fn law_3_can_fail() {
    found(3, Mutation::BelievesTheSick, &Case { balancer: false, sick: (0, 600), ..Case::good(Kind::BlueGreen) });
}

#[test]
fn law_4_can_fail() {
    let paused = vec![(100, Said::Pause), (400, Said::Abort)];
    found(4, Mutation::Deaf, &Case { said: paused, ..Case::good(Kind::Gradual) });
}

#[test]
fn law_5_can_fail() {
    found(5, Mutation::AsksOnce, &Case::good(Kind::Gradual));
}

#[test]
fn law_6_can_fail() {
    found(6, Mutation::LiesAboutOrder, &Case { before: Before::Live(NEWER), ..Case::good(Kind::Gradual) });
}

#[test]
fn law_7_can_fail() {
    found(7, Mutation::BelievesNoData, &Case { numbers: Numbers::Nothing, ..Case::good(Kind::Gradual) });
    found(7, Mutation::BelievesTheUnread, &Case { green_after: None, ..Case::good(Kind::Direct) });
}

#[test]
fn law_8_can_fail() {
    let bad = Case { numbers: Numbers::Bad, ..Case::good(Kind::Direct) };
    found(8, Mutation::GoesBackTwice, &bad);
}

#[test]
fn law_9_can_fail() {
    let lost = |at| Case { crashes: vec![(at, Crash::Unrecorded)], ..Case::good(Kind::Direct) };
    let cases: Vec<Case> = (0..10).map(lost).collect();
    cases.iter().for_each(|case| same_after_crashes(case, Mutation::None).unwrap());
    let why = cases.iter().find_map(|case| same_after_crashes(case, Mutation::ForgetsItsWork).err()).unwrap();
    assert!(why.contains("law 9:"), "{why}");
}

#[test]
fn law_10_can_fail() {
    found(10, Mutation::SaysItTwice, &Case { deployer: Deployer::Fails, ..Case::good(Kind::BlueGreen) });
}

/// Random cases find the defects too: what is drawn reaches them.
#[test]
fn random_cases_find_each_defect() {
    for (law, mutation) in
        [(2, Mutation::Drifts), (5, Mutation::AsksOnce), (7, Mutation::BelievesNoData), (10, Mutation::SaysItTwice)]
    {
        let why = first_broken(150, 0, cases(), |case| run(case, mutation).map(|_| ()))
            .err()
            .unwrap_or_else(|| panic!("{mutation:?} was not found"));
        assert!(why.contains(&format!("law {law}:")), "{mutation:?}: {why}");
    }
    let why = first_broken(60, 0, disturbed(), |case| same_after_crashes(case, Mutation::ForgetsItsWork)).unwrap_err();
    assert!(why.contains("law 9:"), "{why}");
}

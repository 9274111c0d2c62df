//! The gate `checks`.

use super::super::*;
use super::{Row, row};

const SIX_HOURS: u64 = 6 * 3600;

fn checks_row(
    what: &'static str,
    status: Status,
    code: &'static str,
    (policy, seconds): (&GatePolicy, u64),
    items: Vec<CheckItem>,
) -> Row {
    let world = World::new().with(|w| {
        w.checks = Ok(items);
        w.checks_at = later(seconds);
    });
    row(what, status, code, world.judge(policy, later(seconds)))
}

pub fn rows() -> Vec<Row> {
    use CheckState::{Failure, Neutral, Pending, Success};
    use Status::{Fail, Pass};
    let all = named(&[]);
    let two = named(&["build", "lint"]);
    let at = |seconds| (&all, seconds);
    let mut rows = vec![
        checks_row("one passed", Pass, "checks_passed", at(1), vec![check("build", 15, 1, Success)]),
        checks_row(
            "neutral and skipped pass",
            Pass,
            "checks_passed",
            at(1),
            vec![check("a", 15, 1, Neutral), check("b", 15, 2, Success)],
        ),
        checks_row(
            "one failed",
            Fail,
            "check_failed",
            at(1),
            vec![check("build", 15, 1, Failure), check("lint", 15, 2, Pending)],
        ),
        checks_row(
            "a status failed",
            Fail,
            "check_failed",
            at(1),
            vec![status("ci/x", ASKED, Failure), check("b", 15, 1, Success)],
        ),
        checks_row(
            "many failed",
            Fail,
            "check_failed",
            at(1),
            (1..9).map(|i| check(&format!("job {i}"), 15, i, Failure)).collect(),
        ),
        checks_row(
            "one pending",
            Status::Pending,
            "checks_pending",
            at(1),
            vec![check("b", 15, 1, Pending), check("c", 15, 2, Success)],
        ),
        checks_row("pending at the deadline", Fail, "checks_deadline", at(SIX_HOURS), vec![check("b", 15, 1, Pending)]),
        checks_row(
            "failed at the deadline",
            Fail,
            "check_failed",
            at(SIX_HOURS),
            vec![check("b", 15, 1, Failure), check("c", 15, 2, Pending)],
        ),
        checks_row("passed after the deadline", Pass, "checks_passed", at(SIX_HOURS * 2), vec![check("b", 15, 1, Success)]),
        checks_row(
            "a rerun passed",
            Pass,
            "checks_passed",
            at(1),
            vec![check("b", 15, 2, Success), check("b", 15, 1, Failure)],
        ),
        checks_row("a rerun failed", Fail, "check_failed", at(1), vec![check("b", 15, 1, Success), check("b", 15, 2, Failure)]),
        checks_row(
            "a rerun is pending",
            Status::Pending,
            "checks_pending",
            at(1),
            vec![check("b", 15, 1, Failure), check("b", 15, 2, Pending)],
        ),
        checks_row(
            "another App's check of the same name",
            Fail,
            "check_failed",
            at(1),
            vec![check("b", 15, 1, Failure), check("b", 16, 2, Success)],
        ),
        checks_row(
            "a newer status of one context",
            Pass,
            "checks_passed",
            at(1),
            vec![status("CI/x", later(2), Success), status("ci/X", later(1), Failure)],
        ),
        checks_row(
            "two statuses of one moment: the worse counts",
            Fail,
            "check_failed",
            at(1),
            [Failure, Success, Pending].map(|state| status("ci/x", ASKED, state)).to_vec(),
        ),
        checks_row(
            "our own checks do not count",
            Status::Pending,
            "checks_awaited",
            at(1),
            vec![check("lockkeeper/release", OUR_APP, 1, Failure)],
        ),
        checks_row("nothing yet", Status::Pending, "checks_awaited", at(59), vec![]),
        checks_row("nothing after the wait", Pass, "no_checks", at(60), vec![]),
        checks_row(
            "named: all passed",
            Pass,
            "checks_passed",
            (&two, 1),
            vec![check("build", 15, 1, Success), check("lint", 15, 2, Neutral), check("other", 15, 3, Failure)],
        ),
        checks_row("named: one absent", Status::Pending, "checks_pending", (&two, 120), vec![check("build", 15, 1, Success)]),
        checks_row(
            "named: one pending, one absent",
            Status::Pending,
            "checks_pending",
            (&two, 1),
            vec![check("build", 15, 1, Pending)],
        ),
        checks_row("named: nothing at all", Status::Pending, "checks_pending", (&two, 120), vec![]),
        checks_row(
            "named: absent at the deadline",
            Fail,
            "checks_deadline",
            (&two, SIX_HOURS),
            vec![check("build", 15, 1, Success)],
        ),
        checks_row("named: one failed", Fail, "check_failed", (&two, 1), vec![check("build", 15, 1, Failure)]),
        checks_row(
            "named: our own does not count",
            Status::Pending,
            "checks_pending",
            (&two, 1),
            vec![check("build", OUR_APP, 1, Success), check("lint", 15, 2, Success)],
        ),
        checks_row(
            "hostile names and links",
            Fail,
            "check_failed",
            at(1),
            vec![CheckItem {
                url: Some("javascript:alert(1)".into()),
                conclusion: "\u{202e}x\ny".into(),
                ..check(&format!("a\u{0}b\n{}", "z".repeat(300)), 15, 1, Failure)
            }],
        ),
    ];
    let mut unread = World::new().with(|w| w.checks = Err(Unreadable { reason: "GitHub answered 403.".into() }));
    let unavailable = Status::Unavailable;
    rows.push(row("unreadable", unavailable, "checks_unreadable", unread.judge(&all, later(1))));
    rows.push(row(
        "unreadable just before the deadline",
        unavailable,
        "checks_unreadable",
        unread.judge(&two, later(SIX_HOURS - 1)),
    ));
    rows.push(row("unreadable at the deadline", unavailable, "checks_deadline", unread.judge(&all, later(SIX_HOURS))));
    unread.checks = Ok(Vec::new());
    // An old read says nothing about what has appeared since, and neither does a clock that jumped.
    for (what, read, now) in [("nothing in an old read", 1, 600), ("the clock jumped back", 600, 1)] {
        unread.checks_at = later(read);
        rows.push(row(what, Status::Pending, "checks_awaited", unread.judge(&all, later(now))));
    }
    rows
}

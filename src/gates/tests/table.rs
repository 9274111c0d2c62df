use super::*;
use crate::config::repo::Component;
use std::fmt::Write as _;

const SIX_HOURS: u64 = 6 * 3600;

pub(super) struct Row {
    what: &'static str,
    code: &'static str,
    status: Status,
    verdict: Verdict,
}

pub(super) fn row(what: &'static str, status: Status, code: &'static str, verdict: Verdict) -> Row {
    Row { what, code, status, verdict }
}

#[test]
fn every_branch_and_its_texts() {
    insta::assert_snapshot!(told(tags().into_iter().chain(manifests()).chain(checks()).chain(commits())));
}

/// Every row is as its author meant it, refusals say what to do; gives all texts, to be compared with those reviewed.
pub(super) fn told(rows: impl IntoIterator<Item = Row>) -> String {
    let mut table = String::new();
    for Row { what, code, status, verdict } in rows {
        assert_eq!((verdict.status, verdict.code.as_str()), (status, code), "{what}: {verdict:?}");
        assert_eq!(verdict.fix.is_empty(), status.advances(), "{what}");
        assert!(verdict.reason.ends_with('.') && !verdict.reason.contains('\n'), "{what}: {}", verdict.reason);
        let again = verdict.ask_again.map(|at| format!(" [again after {} s]", ASKED.until(at).as_secs())).unwrap_or_default();
        writeln!(table, "{what}\n  {status:?} {code}{again}\n  {}", verdict.reason).unwrap();
        if !verdict.fix.is_empty() {
            writeln!(table, "  > {}", verdict.fix).unwrap();
        }
        for link in verdict.links {
            writeln!(table, "  {} <{}>", link.name, link.url).unwrap();
        }
    }
    table
}

fn tag_row(what: &'static str, status: Status, code: &'static str, change: impl FnOnce(&mut World)) -> Row {
    row(what, status, code, World::new().with(change).judge(&GatePolicy::Tag, ASKED))
}

fn annotate(world: &mut World) {
    for tag in [world.facts.tag.as_mut(), world.now.as_mut()].into_iter().flatten() {
        tag.annotated = true;
        tag.object = Some(sha('b'));
    }
    world.event = Some(sha('b'));
}

fn tags() -> Vec<Row> {
    use Status::{Fail, Pass, Unavailable};
    let mut rows = tags_that_moved();
    rows.extend([
        tag_row("in order", Pass, "tag_ok", |_| {}),
        tag_row("first tag", Pass, "tag_ok", |w| {
            w.facts.tags.clear();
            w.next = None;
        }),
        tag_row("another version than the commits call for", Pass, "tag_ok", |w| w.next = Some(Version::new(1, 3, 0))),
        tag_row("not a version", Fail, "not_a_version", |w| w.version = None),
        tag_row("not a version by the pattern", Fail, "not_a_version", |w| {
            w.version = None;
            w.config.release.tag = Some("release-{version}".into());
        }),
        tag_row("commit not read", Unavailable, "commit_unreadable", |w| w.facts.sha = None),
        tag_row("another commit read", Unavailable, "commit_unreadable", |w| w.facts.sha = Some(sha('c'))),
        tag_row("not on main", Fail, "not_on_branch", |w| w.facts.on_default_branch = Some(Ancestry::NotContained)),
        tag_row("unknown whether on main", Unavailable, "branch_unknown", |w| w.facts.on_default_branch = None),
        tag_row("other branches do not help without a list", Fail, "not_on_branch", |w| {
            w.facts.on_default_branch = Some(Ancestry::NotContained);
            w.branches = Some(vec![standing("side", Some(Ancestry::Contained))]);
        }),
        tag_row("on a listed branch", Pass, "tag_ok", |w| {
            w.facts.on_default_branch = Some(Ancestry::NotContained);
            w.config.release.branches = vec!["main".into(), "release/*".into()];
            w.branches = Some(vec![standing("x", Some(Ancestry::Contained)), standing("release/1", Some(Ancestry::Contained))]);
        }),
        tag_row("listed main is enough", Pass, "tag_ok", |w| w.config.release.branches = vec!["ma*".into()]),
        tag_row("main is not listed", Fail, "not_on_branch", |w| {
            w.config.release.branches = vec!["release/*".into()];
            w.branches = Some(vec![standing("release/1", Some(Ancestry::NotContained))]);
        }),
        tag_row("listed branches not read", Unavailable, "branch_unknown", |w| {
            w.config.release.branches = vec!["release/*".into()];
        }),
        tag_row("one listed branch not read", Unavailable, "branch_unknown", |w| {
            w.config.release.branches = vec!["release/*".into()];
            w.branches = Some(vec![standing("release/1", Some(Ancestry::NotContained)), standing("release/2", None)]);
        }),
        tag_row("released by somebody", Fail, "already_released", |w| w.releases = vec![release(false, "by hand")]),
        tag_row("released, with a draft beside it", Fail, "already_released", |w| {
            w.releases = vec![release(true, "<!-- lockkeeper:run=run-1 -->"), release(false, "by hand")];
        }),
        tag_row("draft by somebody", Fail, "draft_exists", |w| w.releases = vec![release(true, "by hand")]),
        tag_row("draft of another run", Fail, "draft_of_another_run", |w| {
            w.releases = vec![release(true, "x <!-- lockkeeper:run=run-10 -->")];
        }),
        tag_row("our own draft", Pass, "tag_ok", |w| w.releases = vec![release(true, "x <!-- lockkeeper:run=run-1 -->")]),
        tag_row("our own release", Pass, "tag_ok", |w| w.releases = vec![release(false, "<!-- lockkeeper:run=run-1 -->")]),
        tag_row("a release of another tag", Pass, "tag_ok", |w| {
            w.releases = vec![ReleaseInfo { tag: "v1.2.2".into(), ..release(false, "") }];
        }),
        tag_row("no tag: a merge", Pass, "no_tag", |w| w.tag = None),
        tag_row("no tag, not on main", Fail, "not_on_branch", |w| {
            w.tag = None;
            w.facts.on_default_branch = Some(Ancestry::NotContained);
        }),
        tag_row("no tag, another commit read", Unavailable, "commit_unreadable", |w| {
            w.tag = None;
            w.facts.sha = Some(sha('c'));
        }),
        tag_row("hostile names", Fail, "not_on_branch", |w| {
            w.config.release.branches = vec!["a\u{202e}b\n## x".into(), "y".repeat(300)];
            w.branches = Some(Vec::new());
        }),
    ]);
    rows
}

fn standing(name: &str, ancestry: Option<Ancestry>) -> BranchStanding {
    BranchStanding { name: name.into(), ancestry }
}

fn tags_that_moved() -> Vec<Row> {
    use Status::{Fail, Pass, Unavailable};
    vec![
        tag_row("annotated, event named the tag object", Pass, "tag_ok", annotate),
        tag_row("annotated, event named the commit", Pass, "tag_ok", |w| {
            annotate(w);
            w.event = Some(sha('a'));
        }),
        tag_row("no event named a commit", Pass, "tag_ok", |w| w.event = None),
        tag_row("gone", Fail, "tag_gone", |w| w.now = None),
        tag_row("another tag was read", Fail, "tag_gone", |w| {
            if let Some(now) = &mut w.now {
                now.name = Tag::parse("v1.2.4").unwrap();
            }
        }),
        tag_row("moved since", Fail, "tag_moved", |w| {
            if let Some(now) = &mut w.now {
                (now.commit, now.object) = (sha('c'), Some(sha('c')));
            }
        }),
        tag_row("moved between the event and the first read", Fail, "tag_moved", |w| w.event = Some(sha('d'))),
        tag_row("moved away and back", Fail, "tag_moved", |w| {
            if let Some(first) = &mut w.facts.tag {
                first.commit = sha('c');
            }
        }),
        tag_row("annotated again for the same commit", Fail, "tag_moved", |w| {
            annotate(w);
            if let Some(now) = &mut w.now {
                now.object = Some(sha('e'));
            }
        }),
        tag_row("annotated again before the first read", Fail, "tag_moved", |w| {
            annotate(w);
            w.event = Some(sha('e'));
        }),
        tag_row("lightweight, its object not read, another pushed", Fail, "tag_moved", |w| {
            w.event = Some(sha('d'));
            for tag in [w.facts.tag.as_mut(), w.now.as_mut()].into_iter().flatten() {
                tag.object = None;
            }
        }),
        tag_row("annotated, its object not read", Unavailable, "tag_unreadable", |w| {
            annotate(w);
            for tag in [w.facts.tag.as_mut(), w.now.as_mut()].into_iter().flatten() {
                tag.object = None;
            }
        }),
    ]
}

fn manifest_row(what: &'static str, status: Status, code: &'static str, files: &[(&str, &str)]) -> Row {
    tag_row(what, status, code, |w| w.facts.manifests = files.iter().map(|(path, text)| file(path, text)).collect())
}

fn manifests() -> Vec<Row> {
    use Status::{Fail, Inconclusive, Pass};
    let inherits = "[package]\nname = \"a\"\nversion.workspace = true\n";
    let mut rows = vec![
        manifest_row(
            "all say the same",
            Pass,
            "tag_ok",
            &[
                ("Cargo.toml", "[package]\nversion = \"1.2.3\""),
                ("package.json", "{\"version\": \"1.2.3\"}"),
                ("pyproject.toml", "[project]\nversion = \"1.2.3\""),
            ],
        ),
        manifest_row("Cargo.toml differs", Fail, "manifest_differs", &[("Cargo.toml", "[package]\nversion = \"1.2.2\"")]),
        manifest_row(
            "two differ",
            Fail,
            "manifest_differs",
            &[("Cargo.toml", "[package]\nversion = \"1.2.2\""), ("package.json", "\u{feff}{\"version\": \"2.0.0\"}")],
        ),
        manifest_row(
            "version of the workspace",
            Pass,
            "tag_ok",
            &[("Cargo.toml", "[package]\nversion = { workspace = true }\n[workspace.package]\nversion = \"1.2.3\"")],
        ),
        manifest_row(
            "a workspace alone differs",
            Fail,
            "manifest_differs",
            &[("Cargo.toml", "[workspace]\nmembers = [\"a\"]\n[workspace.package]\nversion = \"1.2.4\"")],
        ),
        manifest_row(
            "no version anywhere",
            Pass,
            "tag_ok",
            &[
                ("Cargo.toml", "[workspace]\nmembers = []"),
                ("package.json", "{\"name\": \"x\", \"version\": null}"),
                ("pyproject.toml", "[tool.ruff]\nline-length = 100"),
            ],
        ),
        manifest_row("a workspace that is not here", Pass, "tag_ok", &[("Cargo.toml", inherits)]),
        manifest_row(
            "placeholders",
            Pass,
            "tag_ok",
            &[
                ("Cargo.toml", "[package]\nversion = \"0.0.0\""),
                ("package.json", "{\"version\": \"0.0.0-semantically-released\"}"),
                ("pyproject.toml", "[project]\nversion = \"0.0.0.dev0\""),
            ],
        ),
        manifest_row("0.0.01 is no placeholder", Fail, "manifest_differs", &[("package.json", "{\"version\": \"0.0.01\"}")]),
        manifest_row(
            "a private package.json differs",
            Pass,
            "tag_ok",
            &[("package.json", "{\"private\":true,\"version\":\"1.0.0\"}")],
        ),
        manifest_row("build metadata does not count", Pass, "tag_ok", &[("Cargo.toml", "[package]\nversion = \"1.2.3+win\"")]),
        manifest_row(
            "dynamic Python version",
            Pass,
            "tag_ok",
            &[("pyproject.toml", "[project]\nname = \"x\"\ndynamic = [\"version\"]\n[tool.poetry]\nversion = \"9.9.9\"")],
        ),
        manifest_row("poetry differs", Fail, "manifest_differs", &[("pyproject.toml", "[tool.poetry]\nversion = \"1.2.4\"")]),
        manifest_row(
            "not TOML",
            Inconclusive,
            "manifest_unreadable",
            &[("Cargo.toml", "[package]\nversion = \"1.2.3\"\noops")],
        ),
        manifest_row("not JSON", Inconclusive, "manifest_unreadable", &[("package.json", "{\n// no\n}")]),
        manifest_row("version is a number", Inconclusive, "manifest_unreadable", &[("package.json", "{\"version\": 1}")]),
        manifest_row("version is a list", Inconclusive, "manifest_unreadable", &[("Cargo.toml", "[package]\nversion = [1]")]),
        manifest_row(
            "workspace = false",
            Inconclusive,
            "manifest_unreadable",
            &[("Cargo.toml", "package.version.workspace = false")],
        ),
        manifest_row(
            "version is empty",
            Inconclusive,
            "manifest_unreadable",
            &[("pyproject.toml", "[project]\nversion = ' '")],
        ),
        manifest_row("too large", Inconclusive, "manifest_unreadable", &[("package.json", &" ".repeat((1 << 20) + 1))]),
        manifest_row("nested without end", Inconclusive, "manifest_unreadable", &[("package.json", &"[".repeat(100_000))]),
        manifest_row(
            "nested without end in TOML",
            Inconclusive,
            "manifest_unreadable",
            &[("Cargo.toml", &format!("a = {}", "[".repeat(100_000)))],
        ),
        manifest_row("files elsewhere do not count", Pass, "tag_ok", &[("sub/Cargo.toml", "[package]\nversion = \"9.9.9\"")]),
    ];
    for (what, tag, python, same) in [
        ("Python candidate", "1.2.3-rc.1", "1.2.3rc1", true),
        ("Python candidate of another number", "1.2.3-rc.1", "1.2.3rc2", false),
        ("Python alpha", "1.2.3-alpha", "1.2.3a0", true),
        ("Python beta with dots", "1.2.3-beta.4", "1.2.3.b-4", true),
        ("Python development version", "1.2.3-dev.5", "1.2.3.dev5", true),
        ("Python final for a candidate", "1.2.3-rc.1", "1.2.3", false),
        ("Python candidate for a final", "1.2.3", "1.2.3rc1", false),
        ("Python post release", "1.2.3", "1.2.3.post1", false),
        ("Python two numbers", "1.2.0", "1.2", true),
        ("Python local version", "1.2.3", "v1.2.3+ubuntu1", true),
        ("Python four numbers", "1.2.3", "1.2.3.4", false),
        ("Python without numbers", "1.2.3", "next", false),
        ("Python epoch", "1.2.3", "1!1.2.3", false),
    ] {
        let (status, code) = if same { (Pass, "tag_ok") } else { (Fail, "manifest_differs") };
        rows.push(tag_row(what, status, code, |w| {
            w.version = Some(Version::parse(tag).unwrap());
            w.next = None;
            w.facts.manifests = vec![file("pyproject.toml", &format!("[project]\nversion = \"{python}\""))];
        }));
    }
    for (what, status, code, directory, version) in [
        ("component's own manifest", Pass, "tag_ok", "./crates/api/", "1.2.3"),
        ("component's own manifest differs", Fail, "manifest_differs", "crates/api", "1.2.4"),
        ("component without a manifest", Pass, "tag_ok", "crates/other", "1.2.4"),
        ("component at the root", Fail, "manifest_differs", ".", "1.2.4"),
    ] {
        rows.push(tag_row(what, status, code, |w| {
            w.component = Some("api".into());
            w.config.components = vec![Component { name: "api".into(), path: directory.into(), tag: "api-v{version}".into() }];
            w.facts.manifests = vec![
                file("Cargo.toml", &format!("[workspace.package]\nversion = \"{version}\"")),
                file("crates/api/Cargo.toml", inherits),
            ];
        }));
    }
    rows
}

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

fn checks() -> Vec<Row> {
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

fn commits() -> Vec<Row> {
    let told = |what, status, code, commits: Option<Vec<Unclassified>>| {
        row(what, status, code, World::new().with(|w| w.unclassified = commits).judge(&GatePolicy::Commits, ASKED))
    };
    let odd = |n: usize| (0..n).map(|i| Unclassified { sha: sha('9'), subject: format!("change {i}\u{202e}\n") }).collect();
    vec![
        told("all classified", Status::Pass, "commits_classified", Some(Vec::new())),
        told("one unclassified", Status::Fail, "commits_unclassified", Some(odd(1))),
        told("twelve unclassified", Status::Fail, "commits_unclassified", Some(odd(12))),
        told("commits not read", Status::Unavailable, "commits_unreadable", None),
        row(
            "a gate of a later version",
            Status::Unavailable,
            "gate_not_available",
            World::new().judge(&GatePolicy::Unsupported { name: "peer".into() }, ASKED),
        ),
    ]
}

#[test]
fn together() {
    let verdict =
        |status, again: Option<i64>| Verdict { ask_again: again.map(Millis), ..Verdict::new("x", status, "c", "r.", "f") };
    use Status::{Fail, Inconclusive, Overridden, Pass, Pending, Unavailable};
    for (statuses, status, again) in [
        (vec![], Pass, None),
        (vec![(Pass, None), (Pass, Some(3))], Pass, None),
        (vec![(Overridden, None), (Pass, None)], Pass, None),
        (vec![(Overridden, Some(1)), (Pending, Some(3))], Pending, Some(3)),
        (vec![(Pass, None), (Fail, None), (Pending, Some(3)), (Unavailable, None)], Fail, None),
        (vec![(Pass, Some(1)), (Pending, Some(9)), (Pending, Some(3))], Pending, Some(3)),
        (vec![(Unavailable, Some(2)), (Pending, Some(9))], Pending, Some(2)),
        (vec![(Unavailable, Some(2)), (Pass, None)], Unavailable, Some(2)),
        (vec![(Pending, Some(2)), (Unavailable, None)], Unavailable, None),
        (vec![(Pending, Some(2)), (Inconclusive, None)], Inconclusive, None),
    ] {
        let verdicts: Vec<Verdict> = statuses.iter().map(|(s, a)| verdict(*s, *a)).collect();
        assert_eq!(overall(&verdicts), Overall { status, ask_again: again.map(Millis) }, "{statuses:?}");
    }
}

#[test]
fn branch_patterns() {
    for (pattern, name, fits) in [
        ("main", "main", true),
        ("main", "mains", false),
        ("*", "main", true),
        ("*", "a/b", false),
        ("**", "a/b", true),
        ("release/*", "release/1.x", true),
        ("release/*", "release/1/x", false),
        ("release/**", "release/1/x", true),
        ("*-stable", "1-stable", true),
        ("a*b*c", "aXbYc", true),
        ("a*b*c", "aXbY", false),
        ("", "", true),
        ("", "a", false),
        ("*", "", true),
        ("grün*", "grünes", true),
    ] {
        assert_eq!(crate::config::repo::glob::matches(pattern, name), fits, "{pattern} {name}");
    }
    // Exponential for a naive matcher.
    assert!(!crate::config::repo::glob::matches(&format!("{}b", "*a".repeat(60)), &"a".repeat(250)));
}

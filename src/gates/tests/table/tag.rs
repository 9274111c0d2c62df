//! The gate `tag`, manifests aside.

use super::super::*;
use super::{Row, tag_row};

fn annotate(world: &mut World) {
    for tag in [world.facts.tag.as_mut(), world.now.as_mut()].into_iter().flatten() {
        tag.annotated = true;
        tag.object = Some(sha('b'));
    }
    world.event = Some(sha('b'));
}

pub fn rows() -> Vec<Row> {
    use Status::{Fail, Pass, Unavailable};
    let mut rows = moved();
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

fn moved() -> Vec<Row> {
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

use super::*;
use crate::domain::{PullRequest, RepoName};
use crate::notes::render::{BODY_LIMIT, Site, Style, TagText};

fn tag(name: &str, commit: &str, time: i64) -> TagText {
    TagText { name: name.into(), commit: commit.into(), message: None, time, on_branch: true }
}

fn commit(nth: u32, message: &str, login: Option<&str>) -> CommitText {
    CommitText { id: format!("{nth:040x}"), message: message.into(), login: login.map(str::to_owned), ..CommitText::default() }
}

fn request(commits: Vec<CommitText>, site: bool) -> RenderRequest {
    let head = commits.last().map(|c| c.id.clone()).unwrap_or_default();
    let repo = RepoName::parse("acme/web").unwrap();
    RenderRequest {
        tags: vec![tag("v2.0.0", &head, 20)],
        previous: Some(tag("v1.9.0", "", 10)),
        commits,
        unseen: Vec::new(),
        skipped: Vec::new(),
        style: Style::Own,
        site: site.then(|| Site { server: "https://github.com".into(), repo }),
        verbatim: false,
        limit: BODY_LIMIT,
    }
}

fn pull(number: u64, author: &str) -> Option<PullRequest> {
    Some(PullRequest { number, title: "not shown".into(), author: Some(author.into()), labels: Vec::new() })
}

#[test]
fn every_section_in_its_place() {
    let squash = "feat: one click import (#31)\n\n* feat(import): read CSV\n* fix: keep the header row\n\n---------\n\nCo-authored-by: X <x@y>";
    let breaking = "feat(api)!: remove the v1 endpoints (#30)\n\nThey were deprecated.\n\nBREAKING CHANGE: Call /v2 instead:\n- send a token,\n- expect `202`.";
    let commits = vec![
        CommitText { pull_request: pull(30, "ada"), ..commit(1, breaking, Some("ada")) },
        CommitText { first_contribution: true, ..commit(2, squash, Some("new-person")) },
        commit(3, "fix(core): stop the crash when `a` is empty", Some("ada")),
        commit(4, "perf: read files once", Some("grace")),
        commit(5, "docs: explain --range", None),
        commit(6, "chore(deps): bump serde", Some("renovate[bot]")),
        commit(7, "deps: update tokio", None),
        commit(8, "refactor!: rename the crate", Some("grace")),
        commit(9, "Fix typo", Some("ada")),
        commit(10, "Revert \"feat: the old thing\"\n\nThis reverts commit ffffffffffff.", None),
        commit(11, "feat: taken back", None),
        commit(12, "Revert \"feat: taken back\"\n\nThis reverts commit 000000000000000000000000000000000000000b.", None),
        CommitText { parents: vec!["x".into(), "y".into()], ..commit(13, "Merge branch 'main' into next", None) },
        commit(14, "release: 🚀 thanks @octocat <b>closes #1</b>", None),
    ];
    insta::assert_snapshot!(render(&request(commits, true)).unwrap().markdown);
}

#[test]
fn without_a_repository_there_are_numbers_and_no_links() {
    let commits = vec![commit(1, "fix: a (#3)", Some("ada")), commit(2, "feat: b", None)];
    let markdown = render(&request(commits, false)).unwrap().markdown;
    assert_eq!(markdown, "### Features\n\n- b (0000000)\n\n### Bug fixes\n\n- a (#3)\n\nThanks to @ada.\n");
}

#[test]
fn nothing_to_tell_is_said() {
    for commits in [
        Vec::new(),
        vec![CommitText { parents: vec!["x".into(), "y".into()], ..commit(1, "Merge pull request #1 from a/b", None) }],
    ] {
        let markdown = render(&request(commits, true)).unwrap().markdown;
        assert!(markdown.starts_with("No changes that need a note.\n"), "{markdown}");
        assert!(markdown.contains("[Full changelog](https://github.com/acme/web/compare/v1.9.0..."), "{markdown}");
    }
}

#[test]
fn links_cannot_be_left_by_odd_names() {
    let mut odd = request(vec![commit(1, "fix: a", None)], true);
    odd.tags[0].name = "v1)](https://evil.example/".into();
    odd.previous = Some(tag("a b<c>", "", 1));
    let link = changelog_link(&odd);
    assert_eq!(link, "[Full changelog](https://github.com/acme/web/compare/a%20b%3Cc%3E...v1%29%5D%28https%3A//evil.example/)");
    for (login, wanted) in [("ada", Some("@ada")), ("a b", None), ("", None), ("a)[x](y", None), ("renovate[bot]", None)] {
        assert_eq!(mention(login).as_deref(), wanted);
    }
}

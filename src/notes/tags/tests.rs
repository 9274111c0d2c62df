use super::*;
use crate::domain::Sha;
use serde::Deserialize;

const CASES: &str = include_str!("../../../tests/data/notes/tags.json");

#[derive(Deserialize)]
struct Case {
    tag: String,
    expected: Option<Expected>,
}

#[derive(Deserialize, Debug, PartialEq)]
struct Expected {
    component: Option<String>,
    prefix: String,
    version: String,
}

fn refs(names: &[&str]) -> Vec<TagRef> {
    let commit = Sha::parse(&"a".repeat(40)).unwrap();
    names
        .iter()
        .map(|n| TagRef { name: Tag::parse(n).unwrap(), commit: commit.clone(), object: None, annotated: false, message: None })
        .collect()
}

#[test]
fn the_grammar_reads_every_case_as_it_must() {
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    assert!(cases.len() > 40);
    for case in cases {
        let got = Scheme::default().parse(&case.tag).ok().map(|t| Expected {
            component: t.component,
            prefix: t.prefix,
            version: t.version.to_string(),
        });
        assert_eq!(got, case.expected, "{}", case.tag);
    }
}

#[test]
fn patterns_replace_the_grammar() {
    let scheme =
        Scheme::new(Some("v{version}"), [("api", "api-v{version}"), ("web", "{version}@web")], &["v0.*".to_owned()]).unwrap();
    let read = |tag: &str| scheme.parse(tag).map(|t| (t.component, t.prefix, t.version.to_string())).map_err(|e| e.code);
    assert_eq!(read("v1.2.3"), Ok((None, "v".to_owned(), "1.2.3".to_owned())));
    assert_eq!(read("refs/tags/api-v1.2.3"), Ok((Some("api".to_owned()), "api-v".to_owned(), "1.2.3".to_owned())));
    assert_eq!(read("1.2.3@web"), Ok((Some("web".to_owned()), String::new(), "1.2.3".to_owned())));
    for tag in ["1.2.3", "other-v1.2.3", "v1.2", "api-1.2.3", "V1.2.3"] {
        assert_eq!(read(tag), Err("tag_pattern_mismatch"), "{tag}");
    }
    assert_eq!(read("v0.1.0"), Err("tag_ignored"));
    assert_eq!(read("v1..2"), Err("tag_name_invalid"));
    for bad in ["v", "{version}{version}"] {
        assert_eq!(Scheme::new(Some(bad), [], &[]).unwrap_err().code, "tag_pattern_invalid");
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let error = Scheme::default().parse("v1.2").unwrap_err();
    assert_eq!(error.code, "tag_not_a_version");
    assert!(error.message.contains("v1.2 ") && error.message.contains("three numbers"));
}

#[test]
fn previous_candidates_by_version_and_line() {
    let names = [
        "v1.0.0",
        "v1.1.0",
        "v1.1.1",
        "v2.0.0-alpha.1",
        "v2.0.0-rc.1",
        "v2.0.0-rc.2",
        "v2.0.0",
        "v2.1.0-rc.1",
        "v3.0.0",
        "nightly",
        "api-v1.9.0",
        "v01.2.3",
    ];
    let tags = refs(&names);
    let scheme = Scheme::default();
    let before = |tag: &str| -> Vec<String> {
        let new = scheme.parse(tag).unwrap();
        scheme.previous_candidates(&new, &tags).into_iter().map(|(t, _)| t.tag.to_string()).collect()
    };
    assert_eq!(before("v2.0.0"), ["v1.1.1", "v1.1.0", "v1.0.0"]);
    assert_eq!(before("v2.0.0-rc.3"), ["v2.0.0-rc.2", "v2.0.0-rc.1", "v1.1.1", "v1.1.0", "v1.0.0"]);
    assert_eq!(before("v1.1.2")[0], "v1.1.1");
    assert_eq!(before("api-v2.0.0"), ["api-v1.9.0"]);
    assert_eq!(before("v0.1.0"), Vec::<String>::new());
    assert_eq!(before("v2.1.0-beta.1")[0], "v2.0.0");
}

#[test]
fn latest_is_the_highest_stable_of_its_component() {
    let tags = refs(&["v1.0.0", "v2.0.0", "v3.0.0-rc.1", "api-v9.0.0"]);
    let latest = |tag: &str| Scheme::default().is_highest_stable(&Scheme::default().parse(tag).unwrap(), &tags);
    assert!(latest("v2.0.1") && latest("v2.0.0"));
    assert!(!latest("v1.0.1") && !latest("v3.0.0-rc.2"));
}

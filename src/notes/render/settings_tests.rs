use super::*;
use crate::notes::render::{Style, render};

fn request() -> RenderRequest {
    let message = "fix: words here".to_owned();
    RenderRequest {
        commits: vec![crate::notes::render::CommitText { id: "a".repeat(40), message, ..Default::default() }],
        tags: Vec::new(),
        previous: None,
        unseen: Vec::new(),
        skipped: Vec::new(),
        style: Style::Own,
        site: None,
        verbatim: false,
        limit: 1_000,
    }
}

fn file(path: &str, text: &str) -> FileAt {
    FileAt { path: path.to_owned(), text: text.to_owned() }
}

fn names(text: &str) -> Vec<String> {
    read(&file("cliff.toml", text), &request()).unwrap().1
}

fn code(text: &str) -> String {
    read(&file("cliff.toml", text), &request()).unwrap_err().code
}

#[test]
fn what_acts_on_the_world_is_removed_and_named() {
    let text = "[changelog]\noutput = '/etc/passwd'\npostprocessors = [{ pattern = '.', replace_command = 'env' }]\n\
        [git]\ncommit_preprocessors = [{ pattern = 'a', replace = 'b', replace_command = 'env' }, { pattern = 'a', replace_command = 'x' }]\n\
        recurse_submodules = true\ninclude_paths = ['a']\nexclude_paths = ['b']\n\
        require_conventional = true\nfail_on_unmatched_commit = true\nlink_parsers = [{ pattern = '', href = 'h' }]\nskip_tags = ''\n\
        [remote.github]\nowner = 'a'\nrepo = 'b'\ntoken = 't0ken'\napi_url = 'http://127.0.0.1:9'\nnative_tls = true\n\
        [remote.gitlab]\nowner = 'a)(evil'\nrepo = 'b'\n";
    let (config, names) = read(&file("x/cliff.toml", text), &request()).unwrap();
    assert_eq!(
        names,
        [
            "git.commit_preprocessors.replace_command",
            "changelog.postprocessors.replace_command",
            "changelog.output",
            "git.recurse_submodules",
            "git.include_paths",
            "git.exclude_paths",
            "remote.github.token",
            "remote.github.api_url",
            "remote.github.native_tls",
            "remote.gitlab.owner",
            "git.require_conventional",
            "git.fail_on_unmatched_commit",
            "git.link_parsers.pattern"
        ]
    );
    assert!(config.changelog.postprocessors.is_empty() && config.git.commit_preprocessors.len() == 1);
    assert!(config.git.commit_preprocessors[0].replace_command.is_none() && config.git.skip_tags.is_none());
    assert!(config.remote.offline && config.remote.github.token.is_none() && config.remote.github.owner == "a");
    assert!(names_of_nothing().is_empty());
}

fn names_of_nothing() -> Vec<String> {
    names("[git]\nconventional_commits = true\n[remote.github]\nowner = 'a'\nrepo = 'b'\n")
}

#[test]
fn what_cannot_be_made_safe_is_refused() {
    assert_eq!(code("[changelog]\nbody = '{{ get_env(name=\"A\") }}'"), "notes_config_refused");
    assert_eq!(code(&format!("[changelog]\nbody = '{{{{ {}1{} }}}}'", "(".repeat(99), ")".repeat(99))), "notes_config_refused");
    assert_eq!(code(&format!("[changelog]\nfooter = '{}'", "{% if a %}".repeat(99))), "notes_config_refused");
    let grow = "{ pattern = '.', replace = '$0$0' },".repeat(13);
    assert_eq!(code(&format!("[git]\ncommit_preprocessors = [{grow}]")), "notes_config_refused");
    assert_eq!(
        code(&format!("[git]\ncommit_parsers = [{}]", "{ message = 'a', group = 'b' },".repeat(201))),
        "notes_config_refused"
    );
    assert_eq!(code(&"#".repeat(SIZE_LIMIT + 1)), "notes_config_refused");
    assert_eq!(code("[changelog"), "notes_config_invalid");
    assert_eq!(code("[git]\ncommit_parsers = [{ message = '(' }]"), "notes_config_invalid");
}

#[test]
fn manifests_hold_a_table_for_git_cliff() {
    let cargo = "[package]\nname = 'x'\n[package.metadata.git-cliff.changelog]\nbody = 'from cargo'\n";
    let python = "[tool.git-cliff.changelog]\nbody = 'from python'\n";
    for (path, text, body) in [("Cargo.toml", cargo, "from cargo"), ("a/pyproject.toml", python, "from python")] {
        assert_eq!(read(&file(path, text), &request()).unwrap().0.changelog.body, body);
    }
    assert_eq!(read(&file("Cargo.toml", "[package]\nname = 'x'"), &request()).unwrap_err().code, "notes_config_refused");
}

#[test]
fn a_template_that_fails_says_why_on_one_line() {
    let text = "[changelog]\nbody = '{{ remote.github.token }}'\n[remote.github]\nowner='a'\nrepo='b'\ntoken='t0ken'";
    let refusal = render(RenderRequest { style: Style::Cliff(file("cliff.toml", text)), ..request() }).unwrap_err();
    assert_eq!(refusal.code, "notes_template_failed");
    assert!(!refusal.message.contains('\n') && !refusal.message.contains("t0ken"), "{}", refusal.message);
}

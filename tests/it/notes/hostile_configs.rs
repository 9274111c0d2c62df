//! git-cliff configurations that want to run, read, hang or blow up something. Each ends in a refusal with a stable code or
//! in safe notes, within ten seconds and 512 MB, and leaves nothing behind.

use super::{Desk, Ran, SECRET, commits, finish, names};
use lockkeeper::domain::FileAt;
use lockkeeper::notes::render::{BODY_LIMIT, CommitText, RenderRequest, Style};
use lockkeeper::notes::sandboxed;
use std::path::Path;
use std::time::{Duration, Instant};

const BODY: &str = "body = '{% for c in commits %}* {{ c.message }}{% endfor %}'\n";

/// What must come of a configuration.
enum End {
    /// Notes, with these options refused.
    Safe(&'static [&'static str]),
    /// No notes, with one of these codes.
    Refused(&'static [&'static str]),
}
use End::{Refused, Safe};

/// Too much memory, stack or time: which of them is reached first depends on the machine.
const EXHAUSTED: End = Refused(&["notes_render_died", "notes_render_timeout", "notes_output_too_large"]);

fn template(body: &str) -> String {
    format!("[changelog]\nbody = '''{body}'''\n")
}

fn processors(table: &str, name: &str, one: &str, count: usize) -> String {
    let list = format!("{name} = [{}]\n", format!("{one},").repeat(count));
    if table == "changelog" { format!("[changelog]\n{BODY}{list}") } else { format!("[changelog]\n{BODY}[{table}]\n{list}") }
}

/// Runs `notes` over the configuration with no more than 512 MB for any process, and checks what holds for all of them.
fn run(name: &str, config: &str) -> Ran {
    let desk = Desk::new();
    let config = desk.file("cliff.toml", config);
    let mut command = desk.command("sh");
    command.args(["-c", "ulimit -v 524288; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_lockkeeper")]);
    command.args(["notes", "--commits", "-", "--tag", "v1.0.0", "--format", "json", "--config", &config]);
    let ran = finish(command, &commits(&["feat: a thing that aaaa", "fix: mend\n\nabc #12", "no convention"]));
    assert!(ran.took < Duration::from_secs(10), "{name} took {:?}", ran.took);
    assert!(!ran.out.contains(SECRET) && !ran.err.contains(SECRET), "{name} leaks: {} {}", ran.out, ran.err);
    assert!(!ran.out.contains("t0ken") && !ran.err.contains("t0ken"), "{name} leaks: {} {}", ran.out, ran.err);
    assert_eq!(names(desk.folder.path()), ["cliff.toml"], "{name}");
    assert_eq!(desk.left_behind(), Vec::<String>::new(), "{name}");
    ran
}

fn check(cases: &[(&str, String, End)]) {
    for (name, config, end) in cases {
        let ran = run(name, config);
        match end {
            Safe(options) => {
                let answer = ran.json();
                let refused: Vec<&str> =
                    answer["refused_options"].as_array().unwrap().iter().map(|o| o.as_str().unwrap()).collect();
                assert_eq!(&refused, options, "{name}");
                let markdown = answer["markdown"].as_str().unwrap();
                assert!(!markdown.trim().is_empty() && markdown.encode_utf16().count() <= BODY_LIMIT, "{name}: {markdown}");
            }
            Refused(codes) => assert!(codes.contains(&ran.refusal()), "{name}: {}", ran.err),
        }
    }
}

#[test]
fn nothing_is_run_written_or_reached() {
    let touch = "{ pattern = '.', replace_command = 'touch PWNED $TMPDIR/PWNED; env' }";
    check(&[
        (
            "command after",
            processors("changelog", "postprocessors", touch, 1),
            Safe(&["changelog.postprocessors.replace_command"]),
        ),
        (
            "command before",
            processors("git", "commit_preprocessors", touch, 1),
            Safe(&["git.commit_preprocessors.replace_command"]),
        ),
        (
            "command beside a text",
            processors("git", "commit_preprocessors", "{ pattern = 'a', replace = 'b', replace_command = 'touch PWNED' }", 1),
            Safe(&["git.commit_preprocessors.replace_command"]),
        ),
        ("output", format!("[changelog]\noutput = 'PWNED'\n{BODY}"), Safe(&["changelog.output"])),
        (
            "remotes",
            format!(
                "[changelog]\n{BODY}[remote.github]\nowner = 'a'\nrepo = 'b'\ntoken = 't0ken'\napi_url = 'http://127.0.0.1:9'\n\
                 [remote.gitlab]\nowner = 'a'\nrepo = 'b'\ntoken = 't0ken'\n"
            ),
            Safe(&["remote.github.token", "remote.github.api_url", "remote.gitlab.token"]),
        ),
        (
            "token in the template",
            template("{{ remote.github.token }}") + "[remote.github]\nowner = 'a'\nrepo = 'b'\ntoken = 't0ken'\n",
            Refused(&["notes_template_failed"]),
        ),
        ("environment", template("{{ get_env(name='SECRET_KEY', default='none') }}"), Refused(&["notes_config_refused"])),
        (
            "environment, spelled",
            "[changelog]\nbody = \"{{ get\\u005Fenv(name='SECRET_KEY') }}\"\n".to_owned(),
            Refused(&["notes_config_refused"]),
        ),
        (
            "environment in the header",
            format!("[changelog]\nheader = '{{{{ get_env(name=\"HOME\") }}}}'\n{BODY}"),
            Refused(&["notes_config_refused"]),
        ),
        ("the environment's own settings", format!("[changelog]\n{BODY}"), Safe(&[])),
        ("file", template("{% include '/etc/passwd' %}"), Refused(&["notes_template_failed"])),
        ("message as a template", template("{{ commits[0].message }}{{ '{{ get' ~ '_env(name=1) }}' }}"), Safe(&[])),
        ("submodules", format!("[changelog]\n{BODY}[git]\nrecurse_submodules = true\n"), Safe(&["git.recurse_submodules"])),
    ]);
}

#[test]
fn what_grows_or_never_ends_is_stopped() {
    let double = "{ pattern = '[a-z]', replace = '$0$0' }";
    check(&[
        ("recursive macro", template("{% macro a() %}{{ self::a() }}{% endmacro %}{{ self::a() }}"), EXHAUSTED),
        ("range bomb", template("{% for i in range(end=300000000) %}x{% endfor %}"), EXHAUSTED),
        (
            "string doubling",
            template("{% set_global s = 'xxxx' %}{% for i in range(end=40) %}{% set_global s = s ~ s %}{% endfor %}{{ s }}"),
            EXHAUSTED,
        ),
        ("doubling before", processors("git", "commit_preprocessors", double, 40), Refused(&["notes_config_refused"])),
        ("doubling after", processors("changelog", "postprocessors", double, 40), Refused(&["notes_config_refused"])),
        ("doubling without a $", processors("git", "commit_preprocessors", "{ pattern = 'a', replace = 'aa' }", 60), EXHAUSTED),
        (
            "long but finite",
            template(
                "{% for i in range(end=4000) %}{{ 'words and words and words and words and words and words' }}\n{% endfor %}",
            ),
            Safe(&[]),
        ),
        (
            "parentheses",
            template(&format!("{{{{ {}1{} }}}}", "(".repeat(20_000), ")".repeat(20_000))),
            Refused(&["notes_config_refused"]),
        ),
        ("blocks", template(&"{% if 1 %}".repeat(20_000)), Refused(&["notes_config_refused"])),
        ("nested arrays", format!("a = {}", "[".repeat(100_000)), Refused(&["notes_config_invalid", "notes_render_died"])),
        (
            "negations",
            template(&format!("{{% if {} 1 %}}x{{% endif %}}", "not ".repeat(20_000))),
            Refused(&["notes_template_failed", "notes_render_died"]),
        ),
        ("a megabyte", format!("[changelog]\n{BODY}#{}", "#".repeat(1 << 20)), Refused(&["notes_config_refused"])),
    ]);
}

#[test]
fn nested_loops_are_stopped_in_an_empty_room() {
    let desk = Desk::new();
    let config = desk.file("cliff.toml", {
        let (open, close) = ("{% for a in range(end=3000) %}", "{% endfor %}");
        template(&format!("{}x{}", open.repeat(3), close.repeat(3)))
    });
    let mut command = desk.command(env!("CARGO_BIN_EXE_lockkeeper"));
    command.args(["notes", "--commits", "-", "--config", &config]);
    let folder = desk.temporary.path().to_owned();
    let watch = std::thread::spawn(move || seen_inside(&folder));
    let ran = finish(command, &commits(&["feat: a"]));
    let (environment, limits) = watch.join().unwrap();
    assert!(["notes_render_died", "notes_render_timeout"].contains(&ran.refusal()) && ran.took < Duration::from_secs(10));
    assert_eq!(environment, "");
    for (name, most) in [
        ("Max address space", "536870912"),
        ("Max cpu time", "5"),
        ("Max core file size", "0"),
        ("Max open files", "16"),
        ("Max processes", "0"),
        ("Max file size", "0"),
    ] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        let values: Vec<&str> = line[name.len()..].split_whitespace().take(2).collect();
        assert_eq!(values, [most, most], "{name}");
    }
    assert_eq!(desk.left_behind(), Vec::<String>::new());
}

/// Environment and limits of the process that stands in a folder below this one, once it has settled.
fn seen_inside(folder: &Path) -> (String, String) {
    let deadline = Instant::now() + Duration::from_secs(8);
    while Instant::now() < deadline {
        for process in names(Path::new("/proc")) {
            let read = |name: &str| std::fs::read_to_string(format!("/proc/{process}/{name}")).unwrap_or_default();
            let inside = std::fs::read_link(format!("/proc/{process}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
            if inside && read("cmdline").contains(sandboxed::COMMAND) && read("limits").contains("536870912") {
                return (read("environ"), read("limits"));
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no rendering process was seen in {}", folder.display());
}

#[test]
fn odd_settings_are_refused_or_do_no_harm() {
    let heavy: String =
        (1..150).map(|n| format!("{{ message = '(?i)^\\w{{1,{}}}\\d{{1,200}}', group = 'x' }},", 200 + n)).collect();
    let many: String = (0..2_000).map(|n| format!("{{ message = '^[a-z]{{1,9}}{n}', group = 'x' }},")).collect();
    check(&[
        (
            "2,000 expressions",
            format!("[changelog]\n{BODY}[git]\ncommit_parsers = [{many}]\n"),
            Refused(&["notes_config_refused"]),
        ),
        (
            "heavy expressions",
            format!("[changelog]\n{BODY}[git]\ncommit_parsers = [{heavy}]\n"),
            Refused(&["notes_render_died", "notes_render_timeout", "notes_config_invalid"]),
        ),
        (
            "empty link pattern",
            format!(
                "[changelog]\n{BODY}[git]\nlink_parsers = [{{ pattern = '', href = 'h' }}, {{ pattern = 'x*', href = 'h' }}]\n"
            ),
            Safe(&["git.link_parsers.pattern"]),
        ),
        (
            "only conventional commits",
            format!("[changelog]\n{BODY}[git]\nrequire_conventional = true\nfail_on_unmatched_commit = true\n"),
            Safe(&["git.require_conventional", "git.fail_on_unmatched_commit"]),
        ),
        ("empty skip_tags", format!("[changelog]\n{BODY}[git]\nskip_tags = ''\n"), Safe(&[])),
        ("unknown order", format!("[changelog]\n{BODY}[git]\nsort_commits = 'sideways'\n"), Safe(&[])),
        ("unknown settings", format!("[changelog]\n{BODY}[future]\nx = 1\n[bump]\ninitial_tag = 'none'\n"), Safe(&[])),
        ("no TOML", "[changelog".to_owned(), Refused(&["notes_config_invalid"])),
        ("wrong type", "[changelog]\nbody = 3.5\n[git]\ncommit_parsers = 'x'\n".to_owned(), Refused(&["notes_config_invalid"])),
        ("broken expression", format!("[changelog]\n{BODY}[git]\ntag_pattern = '('\n"), Refused(&["notes_config_invalid"])),
        (
            "broken expression in a filter",
            template("{{ 'a' | split_regex(pat='(') }}"),
            Refused(&["notes_template_failed", "notes_render_died"]),
        ),
        ("broken template", template("{% for %}"), Refused(&["notes_template_failed"])),
        (
            "an error with colours",
            "[changelog]\nbody = \"{{ throw(message='\\u001B[31mred') }}\"\n".to_owned(),
            Refused(&["notes_template_failed"]),
        ),
    ]);
}

#[test]
fn files_that_are_no_text_are_refused() {
    let desk = Desk::new();
    let binary = desk.file("cliff.toml", [0xff, 0xfe, 0x00]);
    for path in [binary.as_str(), desk.folder.path().to_str().unwrap(), "missing.toml"] {
        let ran = desk.run(&["notes", "--commits", "-", "--config", path], &commits(&["feat: a"]));
        assert_eq!(ran.refusal(), "file_unreadable", "{path}");
    }
}

#[test]
fn our_own_template_stands_in_for_one_that_cannot_be_used() {
    let commit = |id: char, message: &str| CommitText {
        id: id.to_string().repeat(40),
        message: message.into(),
        ..CommitText::default()
    };
    let request = |style: Style| RenderRequest {
        commits: vec![commit('a', "feat: a thing"), commit('b', "fix: mend it")],
        tags: Vec::new(),
        previous: None,
        unseen: Vec::new(),
        skipped: Vec::new(),
        style,
        site: None,
        verbatim: false,
        limit: BODY_LIMIT,
    };
    let cliff = |text: &str| Style::Cliff(FileAt { path: "cliff.toml".into(), text: text.into() });
    let program = Path::new(env!("CARGO_BIN_EXE_lockkeeper"));
    let (own, none) = sandboxed::render_or_own(program, request(Style::Own)).unwrap();
    assert!(none.is_none() && own.markdown.contains("### Features") && own.markdown.contains("- mend it"));
    for (config, code) in [
        (template("{{ get_env(name='A') }}"), "notes_config_refused"),
        (template("{% macro a() %}{{ self::a() }}{% endmacro %}{{ self::a() }}"), "notes_render_died"),
        (template("{{ nothing }}"), "notes_template_failed"),
    ] {
        let (rendered, refusal) = sandboxed::render_or_own(program, request(cliff(&config))).unwrap();
        assert_eq!((rendered.markdown, refusal.unwrap().code.as_str()), (own.markdown.clone(), code));
    }
    let (theirs, none) =
        sandboxed::render_or_own(program, request(cliff(&template("{{ commits | length }} changes")))).unwrap();
    assert_eq!((theirs.markdown.as_str(), none), ("2 changes", None));
    let gone = sandboxed::render_or_own(Path::new("/nonexistent/lockkeeper"), request(Style::Own)).unwrap_err();
    assert_eq!(gone.code, "notes_render_unavailable");
    let other = sandboxed::render_or_own(Path::new("/bin/true"), request(Style::Own)).unwrap_err();
    assert_eq!(other.code, "notes_render_broken");
}

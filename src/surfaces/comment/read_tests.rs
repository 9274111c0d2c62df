use super::*;
use proptest::prelude::*;

fn repo() -> RepoName {
    RepoName::parse("acme/shop").unwrap()
}

fn asked(body: &str) -> Vec<Asked> {
    read(body, &Reader { prefix: "/", slug: Some("lockkeeper"), repo: &repo() })
}

/// The refusal's code and what to do.
fn refused(body: &str) -> (String, String) {
    match asked(body).as_slice() {
        [Asked { what: Err(refusal), .. }] => (refusal.code.clone(), format!("{} {}", refusal.message, refusal.fix)),
        other => panic!("{body:?}: {other:?}"),
    }
}

fn is_status(asked: &Asked) -> bool {
    matches!(&asked.what, Ok(Ask::Look { action }) if action.name() == "status" && action.repo() == Some(&repo()))
}

#[test]
fn commands_are_heard_by_prefix_and_by_name() {
    for body in ["/status", "/Status", "@lockkeeper status", "@LockKeeper  status", "hello\n/status\nbye"] {
        assert!(matches!(asked(body).as_slice(), [one] if is_status(one)), "{body:?}: {:?}", asked(body));
    }
    let two = asked("/status\n\ntext\n@lockkeeper status");
    assert_eq!(two.iter().filter(|one| is_status(one)).count(), 2);
}

#[test]
fn what_is_meant_for_others_is_left_alone() {
    for body in [
        "/hold",
        "/lgtm",
        "/close",
        "/",
        "/ status",
        "/1",
        "@lockkeeper",
        "@lockkeeper: status",
        "@lockkeeperstatus",
        "@someone status",
        "@lockkeeper thank you!",
        "/path/to/a/file",
        "status",
        "",
        "//status",
    ] {
        assert_eq!(asked(body), [], "{body:?}");
    }
    let another = Reader { prefix: "/lk-", slug: None, repo: &repo() };
    assert_eq!(read("/status\n@lockkeeper status", &another), []);
    assert!(matches!(read("/lk-status", &another).as_slice(), [one] if is_status(one)));
}

#[test]
fn slips_are_answered_with_what_was_meant() {
    for (body, near) in [("/statsu", "`/status`"), ("/hlep", "`/help`"), ("@lockkeeper stauts", "`/status`")] {
        let (code, text) = refused(body);
        assert_eq!(code, "command_unknown", "{body}");
        assert!(text.contains(near), "{body}: {text}");
    }
    let (code, text) = refused("/status --rpeo acme/shop");
    assert_eq!(code, "command_misused");
    assert!(text.contains("--repo") && text.contains("`/status`"), "{text}");
}

#[test]
fn what_cannot_be_read_as_it_is_written_is_refused() {
    for (body, code) in [
        ("/status \u{202e}x", "invisible_characters"),
        ("/status\u{a0}x \u{200b}", "invisible_characters"),
        ("/status `x`", "command_marked_up"),
        ("/status <!-- x -->", "command_marked_up"),
        ("/status \"x", "command_unreadable"),
        ("/status x", "command_misused"),
        ("/status --repo other/place", "other_repository"),
        (&format!("/status {}", "x".repeat(1_001)), "command_too_long"),
        (&"/status\n".repeat(11), "too_many_commands"),
        (&"/status\n".repeat(100), "too_many_commands"),
    ] {
        assert_eq!(refused(body).0, code, "{body:?}");
    }
    assert_eq!(asked(&"/status\n".repeat(10)).len(), 10);
    assert!(is_status(&asked("/status --repo acme/shop")[0]));
}

#[test]
fn help_is_written_from_what_is_read() {
    let page = |body: &str| match asked(body).remove(0).what {
        Ok(Ask::Help { page }) => page,
        other => panic!("{other:?}"),
    };
    let all: Vec<String> = Word::ALL.iter().map(|known| page(&format!("/help {}", known.as_str()))).collect();
    insta::assert_snapshot!(format!("{}\n\n{}", page("/help"), all.join("\n\n")));
    assert_eq!(page("/help status"), page("/status --help"));
    assert_eq!(page("/help status"), page("/help /status"));
    assert_eq!(refused("/help frobnicate").0, "command_unknown");
    for known in Word::ALL {
        grammar::command(known, "/", &repo()).debug_assert();
    }
}

proptest! {
    #[test]
    fn nothing_panics_and_replies_stay_short(body in "\\PC{0,120}", line in "[/@a-z\" \\-`<>]{0,80}") {
        for text in [body.clone(), line.clone(), format!("/status {body}"), format!("@lockkeeper help {line}")] {
            for one in asked(&text) {
                prop_assert!(one.line.chars().count() <= SHOWN);
                prop_assert!(one.what.is_ok() || one.what.as_ref().is_err_and(|r| r.fix.len() > 10));
            }
        }
    }
}

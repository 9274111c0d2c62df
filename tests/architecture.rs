//! The house rules, enforced: which module may use which, which crate may be used where, what pure modules may not hold,
//! and how long files and functions may be. Every violation is printed with its file and line.
//!
//! Nothing is excluded but test code (`#[cfg(test)]`) and what [`EXCEPTIONS`] names with its reason.

#[path = "architecture/rules.rs"]
mod rules;
#[path = "architecture/source.rs"]
mod source;

use rules::violations;
use std::path::Path;

#[test]
fn the_house_rules_hold() {
    let found = violations(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(found.is_empty(), "{} violations of the house rules:\n{}", found.len(), found.join("\n"));
}

/// A tree that breaks every rule once, beside code that looks alike and is allowed.
#[test]
fn a_bad_tree_is_caught_rule_by_rule() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("fn f() {{\n{}}}\n", "    g();\n".repeat(80));
    let files: &[(&str, String)] = &[
        ("lib.rs", "pub mod domain;\npub mod mystery;\n#[cfg(test)]\nmod helpers;\n".into()),
        ("helpers.rs", "use crate::app::x;\nfn t() { octocrab::x(); }\n".into()),
        ("domain/mod.rs", "use crate::config::X;\n".into()),
        ("config/mod.rs", "use crate::{domain::A, store};\nmod repo;\n".into()),
        ("config/repo.rs", "use super::super::gates::Y;\nuse super::Z;\n".into()),
        ("gates/mod.rs", "fn f(x: crate::notes::N) {}\nmacro_rules! m { () => { $crate::engine::E } }\n".into()),
        ("notes/mod.rs", "mod inner { use super::super::store::S; use super::fine; }\n".into()),
        ("flow/mod.rs", "async fn f() {}\nfn g() { let t = std::time::Instant::now(); }\nuse tokio::time;\n".into()),
        (
            "plan/mod.rs",
            "fn g() { std::time::SystemTime::now(); }\nfn h() { jiff::Timestamp::now(); let x = a.now(); }\n".into(),
        ),
        ("github/mod.rs", "use octocrab::Octocrab;\n#[cfg(test)]\nmod tests { use crate::engine::E; }\n".into()),
        ("store/mod.rs", "use octocrab::Octocrab;\n// octocrab::in_a_comment\nconst S: &str = \"octocrab::x\";\n".into()),
        ("sandbox/mod.rs", "use crate::github::G;\nuse crate::domain::D;\nuse axum::Router;\n".into()),
        ("engine/mod.rs", "use crate::sandbox::S;\nuse crate::workflow::W;\n".into()),
        ("render/mod.rs", format!("{long}#[cfg(test)]\nmod tests {{\n{long}}}\n")),
        ("actions/mod.rs", "// filler\n".repeat(401)),
        ("surfaces/mod.rs", "use crate::app::A;\nuse super::engine::E;\n".into()),
        ("app.rs", "use crate::surfaces::S;\nuse crate::sandbox::S2;\n".into()),
        ("expect/mod.rs", "use cel::Env;\nasync fn f() {}\n".into()),
        ("mystery.rs", "use crate::domain::D;\n".into()),
        ("targets/mod.rs", "\nfn f( {\n".into()),
        ("workflow/mod.rs", "\nfn f() { let x = ; }\n".into()),
        (
            "probes/mod.rs",
            "fn f() { x.octocrab(); y::rusqlite(); }\nfn g() -> cel::Value {}\nfn h() -> crate::expect::E {}\n".into(),
        ),
    ];
    for (name, text) in files {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let found = violations(folder.path());
    let shown: Vec<&str> = found.iter().map(String::as_str).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

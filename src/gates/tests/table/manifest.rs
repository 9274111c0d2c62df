//! Versions in manifests, which the gate `tag` compares.

use super::super::*;
use super::{Row, tag_row};
use crate::config::repo::Component;

fn manifest_row(what: &'static str, status: Status, code: &'static str, files: &[(&str, &str)]) -> Row {
    tag_row(what, status, code, |w| w.facts.manifests = files.iter().map(|(path, text)| file(path, text)).collect())
}

pub fn rows() -> Vec<Row> {
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

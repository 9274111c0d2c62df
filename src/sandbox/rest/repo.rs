//! Repositories, their files, their rules.

use super::of;
use crate::sandbox::http::{Answer, Body, Call, Caller, Needs, Refused, Reply, Route, encode};
use crate::sandbox::views::{self, WEB};
use crate::sandbox::world::World;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const METADATA: Needs = Needs::Right("metadata", "read");
const CONTENTS: Needs = Needs::Right("contents", "read");

pub(in crate::sandbox) const ROUTES: &[Route] = &[
    Route { name: "GET /repos/{owner}/{repo}", needs: METADATA, query: "", body: &[], run: repo },
    Route { name: "GET /repositories/{id}", needs: METADATA, query: "", body: &[], run: by_id },
    Route { name: "GET /repos/{owner}/{repo}/contents/{+path}", needs: CONTENTS, query: "ref", body: &[], run: contents },
    Route { name: "GET /repos/{owner}/{repo}/branches/{+branch}", needs: CONTENTS, query: "", body: &[], run: branch },
    Route { name: "GET /repos/{owner}/{repo}/rules/branches/{+branch}", needs: METADATA, query: "", body: &[], run: rules },
];

fn full(world: &World, id: u64) -> Answer {
    let repo = world.repos.get(&id).ok_or_else(Refused::not_found)?;
    let mut value = views::repository(world, repo);
    value["permissions"] = json!({ "admin": false, "maintain": false, "push": false, "triage": false, "pull": false });
    value["allow_squash_merge"] = true.into();
    value["allow_merge_commit"] = true.into();
    value["allow_rebase_merge"] = true.into();
    Ok(Reply::ok(value))
}

fn repo(world: &mut World, call: &Call) -> Answer {
    full(world, call.repo)
}

fn by_id(world: &mut World, call: &Call) -> Answer {
    let id = call.id("id")?;
    match &call.caller {
        Caller::Installation { repos, .. } if repos.contains(&id) => full(world, id),
        _ => Err(Refused::not_found()),
    }
}

fn branch(world: &mut World, call: &Call) -> Answer {
    let repo = of(world, call)?;
    let name = call.param("branch");
    let sha = repo.branch(name).ok_or_else(|| Refused::new(404, "Branch not found"))?;
    Ok(Reply::ok(json!({ "name": name, "commit": views::commit(world, repo, sha), "protected": false })))
}

/// No ruleset ever applies here.
fn rules(_: &mut World, _: &Call) -> Answer {
    Ok(Reply::ok(json!([])))
}

fn contents(world: &mut World, call: &Call) -> Answer {
    let base = world.base.clone();
    let repo = super::of_mut(world, call)?;
    let wanted = call.asked("ref").unwrap_or(&repo.default_branch).to_owned();
    let sha = repo.resolve(&wanted).ok_or_else(|| Refused::new(404, format!("No commit found for the ref {wanted}")))?;
    let path = call.param("path").trim_end_matches('/');
    let object = repo.git.object(&format!("{sha}:{path}"))?.ok_or_else(Refused::not_found)?;
    let url = format!("{base}/repos/{}/contents/{}?ref={}", repo.full_name(), path, encode(&wanted));
    let item = |name: &str, path: &str, oid: &str, size: usize, kind: &str| {
        json!({
            "name": name, "path": path, "sha": oid, "size": size, "type": kind, "url": url,
            "html_url": format!("{WEB}/{}/blob/{sha}/{path}", repo.full_name()), "git_url": null, "download_url": null,
        })
    };
    let name = path.rsplit('/').next().unwrap_or(path);
    if object.kind == "tree" {
        let out = repo.git.run(&["ls-tree", "-z", "-l", object.oid.as_str()], b"")?;
        let text = String::from_utf8_lossy(&out);
        let entry = |line: &str| {
            let (meta, file) = line.split_once('\t')?;
            let mut words = meta.split_whitespace().skip(1);
            let (kind, oid, size) = (words.next()?, words.next()?, words.next()?.parse().unwrap_or(0));
            Some(item(file, &format!("{path}/{file}"), oid, size, if kind == "tree" { "dir" } else { "file" }))
        };
        return Ok(Reply::ok(text.split('\0').filter_map(entry).collect::<Vec<_>>().into()));
    }
    if call.accept.contains("raw") {
        return Ok(Reply {
            status: 200,
            body: Body::Raw(object.bytes, "application/vnd.github.raw; charset=utf-8"),
            headers: vec![],
        });
    }
    let mut value = item(name, path, object.oid.as_str(), object.bytes.len(), "file");
    // Above 1 MB GitHub leaves the content out.
    let small = object.bytes.len() <= 1024 * 1024;
    value["encoding"] = if small { "base64" } else { "none" }.into();
    value["content"] = if small { Value::String(wrapped(&object.bytes)) } else { "".into() };
    Ok(Reply::ok(value))
}

/// Base64 in lines of 60, as GitHub writes it.
fn wrapped(bytes: &[u8]) -> String {
    let plain = STANDARD.encode(bytes);
    let mut out = String::with_capacity(plain.len() + plain.len() / 60 + 1);
    for (n, c) in plain.chars().enumerate() {
        if n > 0 && n % 60 == 0 {
            out.push('\n');
        }
        out.push(c);
    }
    out.push('\n');
    out
}

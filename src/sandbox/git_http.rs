//! Smart HTTP for `git clone`, `fetch` and `push`, through git's own `http-backend`.
//!
//! The App reads with its token as a password; a person reads and pushes with `ghp_<login>`, if the role allows it.

use super::http::{Body, Caller, Refused, Reply, RequestInfo, Shared};
use crate::domain::Role;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

/// `owner/name` and the service of a git path.
pub(super) fn service(path: &str) -> Option<(String, &str)> {
    let plain = path.split('?').next()?;
    let mut parts = plain.strip_prefix('/')?.splitn(3, '/');
    let (owner, name, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let known = matches!(rest, "info/refs" | "git-upload-pack" | "git-receive-pack");
    let reserved = matches!(owner, "repos" | "app" | "orgs" | "api" | "repositories");
    (known && !reserved).then(|| (format!("{owner}/{}", name.strip_suffix(".git").unwrap_or(name)), rest))
}

pub(super) fn route_name(path: &str) -> String {
    format!("git {}", service(path).map_or("", |(_, service)| service))
}

/// A repository that may be used, and who pushes to it.
struct Opened {
    id: u64,
    dir: PathBuf,
    pusher: Option<String>,
}

pub(super) async fn answer(shared: &Arc<Shared>, info: &RequestInfo, headers: &HeaderMap) -> Reply {
    let opened = match open(shared, info, headers) {
        Ok(opened) => opened,
        Err(mut refused) => {
            refused.headers.push(("www-authenticate".into(), "Basic realm=\"GitHub\"".into()));
            return refused.into_reply();
        }
    };
    let (info, headers, dir) = (info.clone(), headers.clone(), opened.dir);
    let pushed = info.method == "POST" && writes(&info.path);
    let ran = tokio::task::spawn_blocking(move || backend(&dir, &info, &headers)).await;
    let reply = ran.unwrap_or_else(|e| Refused::broken(e).into_reply());
    if let Some(pusher) = opened.pusher.filter(|_| pushed)
        && let Err(error) = shared.change(|world| world.notice_push(opened.id, &pusher))
    {
        return Refused::broken(error).into_reply();
    }
    reply
}

fn writes(path: &str) -> bool {
    path.ends_with("/git-receive-pack") || path.ends_with("service=git-receive-pack")
}

fn open(shared: &Shared, info: &RequestInfo, headers: &HeaderMap) -> Result<Opened, Refused> {
    let header = headers.get("authorization").and_then(|v| v.to_str().ok());
    let mut world = shared.world();
    let unseen = || Refused::new(401, "Repository not found.");
    let (name, _) = service(&info.path).ok_or_else(unseen)?;
    let login = header.and_then(person);
    let caller = if login.is_some() { Caller::Nobody } else { world.authenticate(header)? };
    let repo = world.repo_id(&name).and_then(|id| world.repos.get(&id)).ok_or_else(unseen)?;
    let role = login.as_ref().map_or(Role::None, |login| repo.role(login));
    let read = match &caller {
        Caller::Installation { repos, .. } => repos.contains(&repo.id) && caller.may("contents", "read"),
        Caller::Nobody | Caller::App | Caller::Client => !repo.private || role >= Role::Read,
    };
    if !read || (writes(&info.path) && role < Role::Write) {
        return Err(unseen());
    }
    let (id, dir) = (repo.id, repo.git.dir().to_owned());
    let pusher = login.map(|login| world.account(&login).login);
    Ok(Opened { id, dir, pusher })
}

/// The login of a person's token.
fn person(header: &str) -> Option<String> {
    let plain = STANDARD.decode(header.strip_prefix("Basic ")?.trim()).ok()?;
    let (_, password) = std::str::from_utf8(&plain).ok()?.split_once(':')?;
    password.strip_prefix("ghp_").map(str::to_owned)
}

/// CGI, as `git help http-backend` describes it.
fn backend(dir: &std::path::Path, info: &RequestInfo, headers: &HeaderMap) -> Reply {
    let of = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let query = info.path.split_once('?').map_or("", |(_, query)| query);
    let service = service(&info.path).map_or("", |(_, service)| service);
    let mut command = super::git::command(dir);
    command.env_remove("GIT_DIR").args(["-c", "http.receivepack=true", "-c", "uploadpack.allowFilter=true", "http-backend"]);
    command.env("GIT_PROJECT_ROOT", dir).env("GIT_HTTP_EXPORT_ALL", "1").env("PATH_INFO", format!("/{service}"));
    command.env("REQUEST_METHOD", &info.method).env("QUERY_STRING", query).env("CONTENT_TYPE", of("content-type"));
    command.env("HTTP_CONTENT_ENCODING", of("content-encoding")).env("GIT_PROTOCOL", of("git-protocol"));
    command.env("CONTENT_LENGTH", info.body.len().to_string());
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut child) = spawned else { return Refused::broken("git does not start").into_reply() };
    let stdin = child.stdin.take();
    let body = info.body.clone();
    let feed = std::thread::spawn(move || stdin.map(|mut pipe| pipe.write_all(&body)));
    let out = child.wait_with_output();
    let _ = feed.join(); // a git that stops reading answers all the same
    match out {
        Ok(out) => from_cgi(&out.stdout),
        Err(error) => Refused::broken(error).into_reply(),
    }
}

fn from_cgi(bytes: &[u8]) -> Reply {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n");
    let (head, body) = end.map_or((&[][..], bytes), |at| (&bytes[..at], bytes.get(at + 4..).unwrap_or_default()));
    let mut reply = Reply { status: 200, body: Body::Raw(body.to_vec(), ""), headers: Vec::new() };
    for (name, value) in String::from_utf8_lossy(head).lines().filter_map(|line| line.split_once(": ")) {
        if name.eq_ignore_ascii_case("status") {
            reply.status = value.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(500);
        } else {
            reply.headers.push((name.to_owned(), value.to_owned()));
        }
    }
    reply
}

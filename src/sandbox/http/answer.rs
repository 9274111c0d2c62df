//! From a request to an answer: version, caller, rate, operation, permission, body, handler, conditional request.

use super::call::{Call, Caller};
use super::reply::{Answer, Body, Refused, Reply};
use super::routes::{self, Needs, Route};
use super::{body, decode};
use crate::domain::Millis;
use crate::sandbox::graphql;
use crate::sandbox::oidc;
use crate::sandbox::world::{Bucket, World};
use bytes::Bytes;
use http::HeaderMap;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Versions of the REST API that GitHub serves.
const VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];

/// A request as faults and hooks see it.
#[derive(Clone, Debug)]
pub struct RequestInfo {
    pub seq: u64,
    pub method: String,
    /// With its query.
    pub path: String,
    /// The GraphQL operation's name, if it is GraphQL.
    pub operation: Option<String>,
    pub body: Bytes,
}

impl RequestInfo {
    /// The path without its query; `/graphql Name` for GraphQL.
    pub fn subject(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        self.operation.as_ref().map_or_else(|| path.to_owned(), |name| format!("/graphql {name}"))
    }
}

/// What is worth a complaint although it was answered.
pub(super) struct Outcome {
    pub reply: Reply,
    pub complaints: Vec<String>,
}

pub(super) fn is_graphql(path: &str) -> bool {
    matches!(path.split('?').next(), Some("/graphql" | "/api/graphql"))
}

/// The name for counts and logs.
pub(super) fn route_name(method: &str, path: &str, operation: Option<&str>) -> String {
    if let Some(name) = operation {
        return format!("POST /graphql {name}");
    }
    let plain = plain_path(path);
    routes::find(method, plain).map_or_else(|| format!("{method} {plain}"), |(route, _)| route.name.to_owned())
}

fn plain_path(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or_default();
    path.strip_prefix("/api/v3").unwrap_or(path)
}

/// Answers one API request; never fails.
pub(super) fn respond(world: &mut World, info: &RequestInfo, headers: &HeaderMap) -> Outcome {
    let mut complaints = Vec::new();
    let mut rate = None;
    let answer = answer(world, info, headers, &mut complaints, &mut rate);
    let mut reply = answer.unwrap_or_else(|refused| {
        complaints.push(refused.message().to_owned());
        refused.into_reply()
    });
    if world.clock_offset_ms != 0 {
        reply.headers.push(("date".into(), http_date(world.now())));
    }
    let version = header(headers, "x-github-api-version").unwrap_or(VERSIONS[0]);
    reply.headers.push(("x-github-api-version-selected".into(), version.to_owned()));
    if let Some((bucket, limit, resource)) = rate {
        reply.headers.extend(rate_headers(&bucket, limit, resource));
    }
    if info.method == "GET" && reply.status == 200 {
        conditional(&mut reply, header(headers, "if-none-match"));
    }
    Outcome { reply, complaints }
}

type Rate = Option<(Bucket, u64, &'static str)>;

fn answer(world: &mut World, info: &RequestInfo, headers: &HeaderMap, complaints: &mut Vec<String>, rate: &mut Rate) -> Answer {
    if header(headers, "user-agent").is_none() {
        return Err(Refused::new(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
        ));
    }
    if info.method == "GET" && oidc::is_keys(&info.path) {
        return Ok(Reply::ok(world.job_keys.clone()));
    }
    let version = header(headers, "x-github-api-version").unwrap_or(VERSIONS[0]);
    if !VERSIONS.contains(&version) {
        return Err(Refused::new(400, format!("\"{version}\" is not a supported version.")));
    }
    let caller = world.authenticate(header(headers, "authorization"))?;
    if is_graphql(&info.path) {
        let (reply, cost) = graphql::answer(world, &caller, &info.body, complaints)?;
        *rate = Some(spend(world, &caller, "graphql", cost)?);
        return Ok(reply);
    }
    *rate = Some(spend(world, &caller, "core", 1)?);
    let path = plain_path(&info.path);
    let (route, params) = routes::find(&info.method, path).ok_or_else(Refused::not_found)?;
    let mut call = Call {
        params,
        query: query(&info.path),
        body: serde_json::Value::Null,
        caller,
        accept: header(headers, "accept").unwrap_or_default().to_owned(),
        path: info.path.clone(),
        repo: 0,
        api_version: version.to_owned(),
    };
    authorize(world, route, &mut call)?;
    slow_down(world, &info.method, route)?;
    call.body = body::parse(&info.body)?;
    body::check(&call.body, route.body)?;
    complaints.extend(body::unknown(&call.body, route.body));
    let known = |name: &str| name == "page" || name == "per_page" || route.query.split(' ').any(|q| q == name);
    complaints.extend(call.query.keys().filter(|name| !known(name)).map(|name| format!("unknown query {name}")));
    (route.run)(world, &call)
}

/// Source: "Permissions required for GitHub Apps" and "Troubleshooting the REST API" (404 for what may not be seen).
fn authorize(world: &World, route: &Route, call: &mut Call) -> Result<(), Refused> {
    if matches!(route.needs, Needs::Jwt) {
        let app = matches!(call.caller, Caller::App);
        return if app { Ok(()) } else { Err(Refused::new(401, "A JSON web token could not be decoded")) };
    }
    if matches!(route.needs, Needs::Client) {
        let client = matches!(call.caller, Caller::Client);
        return if client { Ok(()) } else { Err(Refused::new(401, "Bad credentials")) };
    }
    let repos = match &call.caller {
        Caller::Installation { repos, .. } => repos,
        Caller::App | Caller::Client => return Err(Refused::new(401, "Bad credentials")),
        Caller::Nobody => return Err(Refused::new(401, "Requires authentication")),
    };
    if let (Some(owner), Some(name)) = (call.params.get("owner"), call.params.get("repo")) {
        let id = world.repo_id(&format!("{owner}/{name}")).ok_or_else(Refused::not_found)?;
        if !repos.contains(&id) {
            let private = world.repos.get(&id).is_none_or(|r| r.private);
            return Err(if private { Refused::not_found() } else { Refused::not_accessible() });
        }
        call.repo = id;
    }
    let allowed = match route.needs {
        Needs::Jwt | Needs::Client | Needs::Token => true,
        Needs::Right(name, level) => call.caller.may(name, level),
        Needs::OneOf(any) => any.iter().any(|(name, level)| call.caller.may(name, level)),
    };
    if allowed { Ok(()) } else { Err(Refused::not_accessible()) }
}

/// Uses up requests or points of the caller's hour.
fn spend(
    world: &mut World,
    caller: &Caller,
    resource: &'static str,
    cost: u64,
) -> Result<(Bucket, u64, &'static str), Refused> {
    let who = match caller {
        Caller::Nobody => "nobody".to_owned(),
        Caller::App => "app".to_owned(),
        Caller::Client => "client".to_owned(),
        Caller::Installation { id, .. } => format!("installation {id}"),
    };
    let limit = if matches!(caller, Caller::Nobody) { 60 } else { world.config.rate_limit };
    let now = world.now().0 / 1_000;
    let bucket = world.buckets.entry(format!("{resource} {who}")).or_insert(Bucket { used: 0, reset: now + 3_600 });
    if bucket.reset <= now {
        *bucket = Bucket { used: 0, reset: now + 3_600 };
    }
    bucket.used += cost;
    if bucket.used <= limit {
        return Ok((*bucket, limit, resource));
    }
    let mut refused = Refused::new(403, format!("API rate limit exceeded for {who}."));
    refused.headers.extend(rate_headers(bucket, limit, resource));
    Err(refused)
}

/// Secondary limits. Source: "Rate limits for the REST API", content-generating requests.
fn slow_down(world: &mut World, method: &str, route: &Route) -> Result<(), Refused> {
    let now = world.now();
    let Some(creates) = world.creates.as_mut() else { return Ok(()) };
    if method == "GET" || matches!(route.needs, Needs::Jwt | Needs::Client) {
        return Ok(());
    }
    let Err(seconds) = creates.admit(now) else { return Ok(()) };
    let mut refused =
        Refused::new(403, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.");
    refused.headers.push(("retry-after".into(), seconds.to_string()));
    Err(refused)
}

/// `Tue, 24 Nov 2026 21:56:18 GMT`
fn http_date(at: Millis) -> String {
    let time = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn rate_headers(bucket: &Bucket, limit: u64, resource: &str) -> [(String, String); 5] {
    [
        ("x-ratelimit-limit".into(), limit.to_string()),
        ("x-ratelimit-remaining".into(), limit.saturating_sub(bucket.used).to_string()),
        ("x-ratelimit-used".into(), bucket.used.min(limit).to_string()),
        ("x-ratelimit-reset".into(), bucket.reset.to_string()),
        ("x-ratelimit-resource".into(), resource.to_owned()),
    ]
}

fn conditional(reply: &mut Reply, wanted: Option<&str>) {
    let digest = match &reply.body {
        Body::Json(value) => Sha256::digest(value.to_string()),
        Body::Raw(bytes, _) => Sha256::digest(bytes),
        Body::Empty => return,
    };
    let etag = format!("W/\"{}\"", digest.iter().map(|b| format!("{b:02x}")).collect::<String>());
    if wanted.is_some_and(|wanted| wanted.contains(etag.trim_start_matches("W/"))) {
        reply.status = 304;
        reply.body = Body::Empty;
    }
    reply.headers.push(("etag".into(), etag));
    reply.headers.push(("cache-control".into(), "private, max-age=60, s-maxage=60".into()));
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn query(path: &str) -> BTreeMap<String, String> {
    let pairs = path.split_once('?').map_or("", |(_, query)| query).split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(&value.replace('+', " ")))
    };
    pairs.map(pair).collect()
}

//! `/status`: what is live, what is locked, what runs.

use super::acts::end;
use crate::actions::outcome::{Active, Live, Overview, QuotaLeft, RepoOverview};
use crate::domain::{EnvName, Hold, Millis, Reported};
use crate::render::markdown::escape;
use crate::render::{all_of, when};
use askama::Template;
use std::collections::BTreeSet;

#[derive(Template)]
#[template(path = "reply/status.md", config = "templates/askama.toml")]
struct Sheet<'a> {
    places: &'a [Place],
    release: Option<Seen>,
    active: &'a [Active],
    quota: Option<&'a QuotaLeft>,
}

/// What is to be said of an environment.
struct Place {
    name: EnvName,
    live: Option<Seen>,
    /// Where GitHub says something else, and what keeps deployments out.
    remarks: Vec<String>,
}

/// A version that can be seen somewhere.
struct Seen {
    what: String,
    sha: String,
    /// And by whom.
    since: String,
    url: Option<String>,
    bad: bool,
}

pub(super) fn text(overview: &Overview) -> String {
    let Some(repo) = overview.repositories.first() else { return "Nothing is known of this repository yet.".to_owned() };
    let places = places(repo);
    let quota = overview.quota.iter().filter(|quota| quota.installation.is_some()).min_by_key(|quota| quota.remaining);
    let sheet = Sheet { places: &places, release: repo.release.as_ref().map(seen), active: &repo.active, quota };
    sheet.render().unwrap_or_default().trim().to_owned()
}

/// Those where something is live, and those that are locked.
fn places(repo: &RepoOverview) -> Vec<Place> {
    let names = repo.live.iter().filter_map(|live| live.environment.clone());
    let names: BTreeSet<String> =
        names.chain(repo.holds.iter().map(|hold| hold.what.environment.clone())).map(String::from).collect();
    let of = |name: String| {
        let name = EnvName::parse(&name).ok()?;
        let live = repo.live.iter().find(|live| live.environment.as_ref() == Some(&name));
        let locks = repo.holds.iter().filter(|hold| hold.what.environment == name).map(lock);
        let remarks = live.and_then(|live| live.drift.as_ref()).map(drift).into_iter().chain(locks).collect();
        Some(Place { name, live: live.map(seen), remarks })
    };
    names.into_iter().filter_map(of).collect()
}

fn seen(live: &Live) -> Seen {
    let sha = live.sha.as_ref().map(|sha| sha.short().to_owned()).unwrap_or_default();
    let what = live.tag.as_ref().map(ToString::to_string).unwrap_or_default();
    let url = live.url.clone().filter(|url| is_link(url));
    Seen { what, sha, since: format!("{}{}", when(live.since), by(live.by.as_deref())), url, bad: live.bad }
}

/// Nothing that could end a link in Markdown.
pub(super) fn is_link(url: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !"<>()[]\"'`\\|".contains(c);
    (url.starts_with("https://") || url.starts_with("http://")) && url.chars().all(plain)
}

fn drift(reported: &Reported) -> String {
    let (sha, since, by) = (reported.sha.short(), when(reported.at), escape(&reported.by));
    format!("⚠️ `{sha}` was reported as deployed here {since} by {by}, not by Lockkeeper")
}

fn lock(hold: &Hold) -> String {
    let what = &hold.what;
    let end = end(what);
    let kind = what.sha.as_ref().map_or_else(|| what.kind.as_str().to_owned(), |sha| format!("hold on {}", sha.short()));
    format!("🔒 {kind} by {} {end}: {}", escape(&what.owner.login), escape(&what.reason))
}

/// Of an account; nothing for nobody.
fn by(login: Option<&str>) -> String {
    login.map(|login| format!(" by {}", escape(login))).unwrap_or_default()
}

fn since(active: &Active) -> String {
    format!("{}{}", when(active.since), by(active.by.as_deref()))
}

fn waits(active: &Active) -> String {
    all_of(&active.waits_for)
}

fn at(time: &Millis) -> String {
    when(*time)
}

fn title(active: &Active) -> String {
    let what = active.tag.as_ref().map(ToString::to_string);
    let what = what.or_else(|| active.sha.as_ref().map(|sha| sha.short().to_owned())).unwrap_or_default();
    match &active.environment {
        Some(environment) => format!("{} {what} to {environment}", active.workflow),
        None => format!("{} {what}", active.workflow),
    }
}

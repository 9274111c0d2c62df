//! News for those who are told: Markdown, the same for Slack, and JSON for programs.
//!
//! Invariants: what others wrote calls nobody, links nowhere and hides nothing, in the fields for programs too; the only link is
//! to GitHub or to the place that an environment says it runs at.

use super::line;
use super::markdown::{is_invisible, prose};
use super::slack::escape;
use crate::domain::{EnvName, News, NewsKind, Sha, Tag};
use askama::Template;
use serde_json::{Value, json};

/// Longer is no message; Slack cuts at 40,000.
const LIMIT: usize = 3_000;
/// Of one field for programs.
const FIELD: usize = 1_000;

#[derive(Template)]
#[template(path = "news/text.md", config = "templates/askama.toml")]
struct Markdown<'a> {
    of: Of<'a>,
}

#[derive(Template)]
#[template(path = "news/text.slack", config = "templates/askama.toml")]
struct Slack<'a> {
    of: Of<'a>,
}

/// What both templates ask for.
struct Of<'a> {
    news: &'a News,
    /// Where people see repositories: `https://github.com`.
    site: &'a str,
    bold: &'static str,
    sentence: fn(&str) -> String,
}

/// One line of Markdown.
pub fn markdown(news: &News, site: &str) -> String {
    let of = Of { news, site, bold: "**", sentence: prose };
    let link = of.link().map(|url| format!(" [See it]({url})"));
    // A template that compiled can only fail on a broken formatter.
    with_link(&Markdown { of }.render().unwrap_or_default(), link)
}

/// What Slack, and chats that take the same, are sent.
pub fn slack(news: &News, site: &str) -> Value {
    let of = Of { news, site, bold: "*", sentence: escape };
    let link = of.link().map(|url| format!(" <{url}|See it>"));
    let text = with_link(&Slack { of }.render().unwrap_or_default(), link);
    json!({ "text": text, "unfurl_links": false, "unfurl_media": false })
}

/// What makes words harmless makes them longer: they are cut then, and the link behind them never is.
fn with_link(words: &str, link: Option<String>) -> String {
    let link = link.unwrap_or_default();
    line(words, LIMIT - link.chars().count().min(LIMIT)) + &link
}

/// What programs are told.
pub fn fields(news: &News, site: &str) -> Value {
    let News { kind, at, run, repo, environment, tag, sha, version, url, by, state, problem, asks } = news;
    let plain = |text: &String| {
        let seen: String = text.chars().filter(|c| !is_invisible(*c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
        line(&seen, FIELD)
    };
    let problem =
        problem.as_ref().map(|why| json!({ "code": why.code, "message": plain(&why.message), "fix": plain(&why.fix) }));
    json!({
        "event": kind, "at": at.rfc3339(), "run": run, "repository": repo, "environment": environment,
        "tag": tag.as_ref().map(|tag| plain(&tag.to_string())), "sha": sha, "version": version.as_ref().map(plain),
        "url": url.as_deref().filter(|url| is_plain(url)), "by": plain(by), "state": state, "problem": problem,
        "asks": asks.as_ref().map(plain), "page": page(news, site), "text": markdown(news, site),
    })
}

impl Of<'_> {
    fn name(&self) -> String {
        let News { version, tag, sha, .. } = self.news;
        let tag = tag.as_ref().map(Tag::as_str);
        let name = tag.or(version.as_deref()).or(sha.as_ref().map(Sha::short)).unwrap_or("a version");
        line(name, 100)
    }

    fn place(&self) -> &str {
        self.news.environment.as_ref().map_or("its environment", EnvName::as_str)
    }

    fn sentence(&self, text: &str) -> String {
        (self.sentence)(&line(text, FIELD))
    }

    /// Where it is to be seen, or where somebody can approve it.
    fn link(&self) -> Option<String> {
        let url = self.news.url.clone().filter(|url| is_plain(url));
        if self.news.kind == NewsKind::NeedsApproval {
            page(self.news, self.site)
        } else {
            url.or_else(|| page(self.news, self.site))
        }
    }
}

/// The commit's checks on GitHub, with the buttons.
fn page(news: &News, site: &str) -> Option<String> {
    Some(format!("{site}/{}/commit/{}/checks", news.repo, news.sha.as_ref()?)).filter(|url| is_plain(url))
}

/// An address of the web that ends where it seems to.
fn is_plain(url: &str) -> bool {
    let web = url.starts_with("https://") || url.starts_with("http://");
    let odd = |c: char| !c.is_ascii_graphic() || "<>|()[]\"'`\\*".contains(c);
    web && url.len() <= 500 && !url.contains(odd) && !url.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Millis, Problem, RepoName, RunId};

    const SITE: &str = "https://github.com";

    fn news(kind: NewsKind) -> News {
        News {
            kind,
            at: Millis(1_764_457_200_000),
            run: RunId::parse("r1").unwrap(),
            repo: RepoName::parse("acme/shop").unwrap(),
            environment: (kind != NewsKind::Released).then(|| EnvName::parse("production").unwrap()),
            tag: Some(Tag::parse("v1.2.0").unwrap()),
            sha: Some(Sha::parse(&"a".repeat(40)).unwrap()),
            version: Some("1.2.0".into()),
            url: Some("https://shop.example.com".into()),
            by: "ann".into(),
            state: Some("succeeded".into()),
            problem: None,
            asks: None,
        }
    }

    fn hostile() -> News {
        let bad = "<!channel> @here `x` [a](http://evil) <https://evil|x> **b**\u{202e} #1";
        News {
            tag: None,
            sha: None,
            version: Some(bad.into()),
            url: Some("https://x/>|<!channel>".into()),
            by: bad.into(),
            state: Some("failed".into()),
            problem: Some(Problem { code: "x".into(), message: bad.into(), fix: bad.into() }),
            asks: Some(bad.into()),
            ..news(NewsKind::Failed)
        }
    }

    #[test]
    fn each_kind_reads_well() {
        let why = Problem { code: "unhealthy".into(), message: "It did not answer.".into(), fix: "See `its` log.".into() };
        let mut all = NewsKind::ALL.map(news).to_vec();
        let failed = News { problem: Some(why), state: Some("failed".into()), ..news(NewsKind::Failed) };
        all.push(News { kind: NewsKind::RolledBack, ..failed.clone() });
        all.push(News { environment: None, url: None, ..failed.clone() });
        all.push(failed);
        all.push(News { asks: Some("Waits for 1 of 2 approvals of @acme/sre.".into()), ..news(NewsKind::NeedsApproval) });
        let text = |news: &News| format!("{}\n{}", markdown(news, SITE), slack(news, SITE)["text"].as_str().unwrap());
        insta::assert_snapshot!(all.iter().map(text).collect::<Vec<_>>().join("\n\n"));
        insta::assert_json_snapshot!(fields(&all[6], SITE));
    }

    #[test]
    fn words_that_grow_push_no_link_out() {
        let long = "<&*@ ".repeat(200);
        let why = Problem { code: "x".into(), message: long.clone(), fix: long.clone() };
        let news = News { problem: Some(why), by: long.clone(), asks: Some(long), ..news(NewsKind::Failed) };
        let (text, chat) = (markdown(&news, SITE), slack(&news, SITE)["text"].as_str().unwrap().to_owned());
        assert!(text.ends_with("… [See it](https://shop.example.com)"), "{text}");
        assert!(chat.ends_with("… <https://shop.example.com|See it>"), "{chat}");
        assert_eq!((text.chars().count(), chat.chars().count(), chat.matches('<').count()), (LIMIT, LIMIT, 1));
    }

    #[test]
    fn hostile_words_stay_words() {
        let news = hostile();
        let told = slack(&news, SITE)["text"].as_str().unwrap().to_owned();
        let ours = told.matches('<').count();
        assert_eq!(ours, 0, "{told}");
        for bad in ["@here", "://", "](", "`", "\u{202e}"] {
            assert!(!told.contains(bad), "{bad}: {told}");
        }
        let told = markdown(&news, SITE);
        for bad in ["<", " @here", "[a](", "\u{202e}", " #1"] {
            assert!(!told.contains(bad), "{bad}: {told}");
        }
        let fields = fields(&news, SITE);
        assert_eq!(fields["url"], Value::Null);
        assert!(!fields.to_string().contains('\u{202e}'));
    }
}

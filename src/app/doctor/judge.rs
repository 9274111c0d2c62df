//! What each answer of GitHub means: pure.

use crate::config::settings::NotifierSettings;
use crate::domain::Refusal;
use crate::github::{AppInfo, EVENTS, HookConfig, InstallationInfo, Quota, required_permissions};
use crate::surfaces::cli::doctor::Finding;
use std::collections::BTreeMap;

/// Clocks that differ by more, in seconds, are wrong; GitHub refuses tokens from about a minute on.
const TOLERANCE: i64 = 30;

/// Fewer calls than this part of the hour's are little.
const LITTLE: u64 = 20;

pub fn permissions(app: &AppInfo) -> Finding {
    let missing = lacking(&app.permissions);
    if missing.is_empty() {
        return Finding::well("permissions", "The App asks for every permission that is used.");
    }
    let message = format!("The App lacks {}.", missing.join(", "));
    let fix = "Grant it on the App's settings page under \"Permissions & events\", as app.yml says; each account then accepts.";
    Finding::bad("permissions", Refusal::operator("app_permission_missing", message, fix))
}

pub fn events(app: &AppInfo) -> Finding {
    let missing: Vec<&str> = EVENTS.iter().copied().filter(|event| !app.events.iter().any(|e| e == event)).collect();
    if missing.is_empty() {
        return Finding::well("events", "The App receives every event that is acted on.");
    }
    let message = format!("The App does not receive {}.", missing.join(", "));
    let fix = "Tick them on the App's settings page under \"Subscribe to events\", as app.yml says.";
    Finding::bad("events", Refusal::operator("app_event_missing", message, fix))
}

pub fn installation(installation: &InstallationInfo) -> Finding {
    let account = &installation.account;
    let bad = |code, message: String, fix: &str| Finding::bad("installation", Refusal::operator(code, message, fix));
    if installation.suspended {
        let fix = "Lift the suspension on the account's page of installed Apps.";
        return bad("installation_suspended", format!("{account}: the installation is suspended."), fix);
    }
    let missing = lacking(&installation.permissions);
    if missing.is_empty() {
        return Finding::well("installation", format!("{account}: every permission is accepted."));
    }
    let fix = "An owner of the account accepts them: \"Review request\" on its page of installed Apps.";
    bad("installation_permission_missing", format!("{account} has not accepted {}.", missing.join(", ")), fix)
}

pub fn webhook(hook: &HookConfig, public_url: Option<&str>) -> Finding {
    let bad = |code, message: String, fix: &str| Finding::bad("webhook", Refusal::operator(code, message, fix));
    let page = "Set it on the App's settings page under \"Webhook\".";
    let Some(url) = hook.url.as_deref().filter(|url| !url.is_empty()) else {
        return bad("webhook_missing", "The App has no webhook URL, so GitHub tells nothing.".to_owned(), page);
    };
    let wanted = public_url.map(|base| format!("{base}/webhook"));
    if let Some(wanted) = wanted.as_ref().filter(|wanted| *wanted != url) {
        let fix = "Set the webhook URL on the App's settings page to that, or PUBLIC_URL to where the server is.";
        return bad("webhook_url_wrong", format!("GitHub sends to {url}, and the server is at {wanted}."), fix);
    }
    if hook.content_type.as_deref() != Some("json") {
        let kind = hook.content_type.as_deref().unwrap_or("nothing");
        return bad("webhook_content_type", format!("The webhook's content type is {kind} and not json."), page);
    }
    if !matches!(hook.insecure_ssl.to_string().trim_matches('"'), "0" | "null" | "false") {
        let message = "GitHub does not verify the server's certificate when it sends webhooks.".to_owned();
        return bad("webhook_insecure", message, "Enable SSL verification on the App's settings page under \"Webhook\".");
    }
    match wanted {
        Some(_) => Finding::well("webhook", format!("GitHub sends to {url}.")),
        None => Finding::well("webhook", format!("GitHub sends to {url}; PUBLIC_URL is not set, so it was not compared.")),
    }
}

/// `skew`: GitHub's clock minus ours, in seconds.
pub fn clock(skew: i64) -> Finding {
    if skew.abs() <= TOLERANCE {
        return Finding::well("clock", format!("This machine's clock is within {TOLERANCE} seconds of GitHub's."));
    }
    let word = if skew > 0 { "behind" } else { "ahead of" };
    let message = format!("This machine's clock is {} seconds {word} GitHub's.", skew.abs());
    Finding::bad("clock", Refusal::operator("clock_off", message, "Set the clock by NTP, then ask again."))
}

pub fn quota(quotas: &[Quota]) -> Finding {
    let whose = |quota: &Quota| quota.installation.map_or("the App".to_owned(), |id| format!("installation {id}"));
    let little = quotas.iter().find(|quota| quota.remaining < quota.limit / LITTLE);
    if let Some(quota) = little {
        let message = format!("{} has {} of {} calls left.", whose(quota), quota.remaining, quota.limit);
        let fix = format!("Wait until {}; the server waits by itself.", quota.reset.rfc3339());
        return Finding::bad("quota", Refusal::world("quota_low", message, fix));
    }
    let told: Vec<String> = quotas.iter().map(|q| format!("{} {} of {}", whose(q), q.remaining, q.limit)).collect();
    let told = if told.is_empty() { "GitHub names no limit".to_owned() } else { told.join(", ") };
    Finding::well("quota", format!("Calls left: {told}."))
}

/// What GitHub says to the App's key and to its client secret alike is said here of the second.
pub fn client_secret(refusal: Refusal) -> Refusal {
    if refusal.code != "github_unauthorized" {
        return refusal;
    }
    let fix = "Copy the client id from the App's settings page, and make a new client secret there.";
    Refusal::operator("client_secret_wrong", "GitHub does not take the client id and the client secret.", fix)
}

/// Who is told of what; their settings were read before. Nobody is asked whether they listen: they would be told something.
pub fn notifiers(all: &BTreeMap<String, NotifierSettings>) -> Finding {
    let one = |(name, notifier): (&String, &NotifierSettings)| {
        let events: Vec<&str> = notifier.events.iter().map(|event| event.as_str()).collect();
        format!("{name} ({}) of {}", notifier.kind.as_str(), events.join(", "))
    };
    let told: Vec<String> = all.iter().map(one).collect();
    let found =
        if told.is_empty() { "Nobody is told of what happens.".to_owned() } else { format!("Told: {}.", told.join("; ")) };
    Finding::well("notifiers", found)
}

/// `Label: access` of what is needed and not granted.
fn lacking(granted: &BTreeMap<String, String>) -> Vec<String> {
    let rank = |word: &str| match word {
        "read" => 1,
        "write" => 2,
        "admin" => 3,
        _ => 0,
    };
    let has = |key: &str| granted.get(key).map_or(0, |word| rank(word));
    required_permissions()
        .into_iter()
        // Every App may read metadata, and not every answer says so.
        .filter(|(permission, access)| permission.key() != "metadata" && has(permission.key()) < rank(access.key()))
        .map(|(permission, access)| format!("{}: {}", permission.label(), access.key()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn hook(url: Value, content_type: &str, insecure_ssl: Value) -> HookConfig {
        serde_json::from_value(json!({ "url": url, "content_type": content_type, "insecure_ssl": insecure_ssl })).unwrap()
    }

    #[test]
    fn a_webhook_is_at_its_place_in_json_and_verified() {
        let at = || json!("https://ship.example.com/webhook");
        let base = Some("https://ship.example.com");
        for (hook, code) in [
            (hook(at(), "json", json!("0")), None),
            (hook(at(), "json", json!(0)), None),
            (hook(Value::Null, "json", json!("0")), Some("webhook_missing")),
            (hook(json!("https://ship.example.com/"), "json", json!("0")), Some("webhook_url_wrong")),
            (hook(at(), "form", json!("0")), Some("webhook_content_type")),
            (hook(at(), "json", json!("1")), Some("webhook_insecure")),
            (hook(at(), "json", json!(1)), Some("webhook_insecure")),
        ] {
            let found = webhook(&hook, base);
            assert_eq!(found.problem.as_ref().map(|p| p.code.as_str()), code, "{hook:?}");
        }
        assert_eq!(webhook(&hook(at(), "json", json!("0")), None).problem, None);
    }

    #[test]
    fn write_covers_read_and_not_the_other_way_round() {
        let mut granted: BTreeMap<String, String> =
            required_permissions().keys().map(|p| (p.key().to_owned(), "write".to_owned())).collect();
        granted.remove("metadata");
        assert!(lacking(&granted).is_empty());
        granted.insert("checks".into(), "read".into());
        granted.remove("statuses");
        assert_eq!(lacking(&granted), ["Checks: write", "Commit statuses: read"]);
    }

    #[test]
    fn clocks_may_differ_a_little() {
        assert!(clock(30).problem.is_none() && clock(-30).problem.is_none());
        assert!(clock(31).found.contains("31 seconds behind"), "{:?}", clock(31));
        assert!(clock(-90).found.contains("90 seconds ahead"), "{:?}", clock(-90));
    }
}

//! Accounts, Apps and the people in commits.

use super::{Answer, date, missing};
use crate::domain::Millis;
use crate::sandbox::git::Identity;
use crate::sandbox::graphql::exec::{Cx, Got};
use crate::sandbox::graphql::nodes::Node;
use crate::sandbox::ids::{Kind, node_id};
use crate::sandbox::model::AccountKind;
use crate::sandbox::views::WEB;

/// `as_user`: the schema says `User` here, and a bot keeps its suffix; `Bot.login` has none.
pub(super) fn account(cx: &mut Cx<'_>, login: &str, as_user: bool, name: &str) -> Answer {
    let account = cx.world.account(login);
    let bare = account.login.trim_end_matches("[bot]");
    match name {
        "id" => Got::leaf(node_id(Kind::Account, 0, account.id)),
        "databaseId" => Got::leaf(account.id),
        "login" => Got::leaf(if as_user { account.login.as_str() } else { bare }),
        "name" => Got::leaf(serde_json::Value::Null),
        "email" => Got::leaf(""),
        "url" if account.kind == AccountKind::Bot => Got::leaf(format!("{WEB}/apps/{bare}")),
        "url" => Got::leaf(format!("{WEB}/{login}")),
        "avatarUrl" => Got::leaf(format!("https://avatars.githubusercontent.com/u/{}?v=4", account.id)),
        _ => missing("User", name),
    }
}

pub(super) fn app(id: u64, slug: &str, name: &str) -> Answer {
    match name {
        "id" => Got::leaf(node_id(Kind::App, 0, id)),
        "databaseId" => Got::leaf(id),
        "slug" | "name" => Got::leaf(slug),
        "url" => Got::leaf(format!("{WEB}/apps/{slug}")),
        _ => missing("App", name),
    }
}

pub(super) fn git_actor(cx: &Cx<'_>, who: &Identity, name: &str) -> Answer {
    match name {
        "name" => Got::leaf(who.name.as_str()),
        "email" => Got::leaf(who.email.as_str()),
        "date" => date(Millis(who.time.saturating_mul(1_000))),
        "user" => {
            let login = cx.world.login_of_email(&who.email);
            Got::one(login.filter(|login| cx.world.find_account(login).is_some()).map(Node::User))
        }
        "avatarUrl" => Got::leaf("https://avatars.githubusercontent.com/u/0?v=4"),
        _ => missing("GitActor", name),
    }
}

//! Tokens of people, as the App that they were made for may ask about them.

use crate::sandbox::http::{Answer, Call, Field, Is, Needs, Refused, Reply, Route};
use crate::sandbox::views;
use crate::sandbox::world::World;
use serde_json::json;

pub(in crate::sandbox) const ROUTES: &[Route] = &[Route {
    name: "POST /applications/{client_id}/token",
    needs: Needs::Client,
    query: "",
    body: &[Field("access_token!", Is::Text)],
    run: check,
}];

/// A token that has ended, was taken back or was made for another App is not found.
fn check(world: &mut World, call: &Call) -> Answer {
    let client = world.client_id();
    let token = call.text("access_token").unwrap_or_default().to_owned();
    let known = world.user_tokens.get(&token).filter(|known| known.client == client && known.expires > world.now()).cloned();
    let known = known.filter(|_| call.param("client_id") == client).ok_or_else(Refused::not_found)?;
    let account = world.account(&known.login);
    let app = json!({ "client_id": client, "name": world.config.app_slug, "url": world.base });
    Ok(Reply::ok(json!({
        "id": 1, "url": world.base, "token": token, "token_last_eight": &token[token.len() - 8..], "hashed_token": "",
        "scopes": [], "note": null, "note_url": null, "fingerprint": null, "app": app,
        "user": views::account(&world.base, &account), "created_at": world.stamp(), "updated_at": world.stamp(),
        "expires_at": known.expires.rfc3339(),
    })))
}

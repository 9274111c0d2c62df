//! The App's webhook: its settings, its deliveries, redelivery.

use crate::sandbox::hooks::{Delivery, Outgoing};
use crate::sandbox::http::{Answer, Call, Field, Is, Needs, Refused, Reply, Route};
use crate::sandbox::ids::Kind;
use crate::sandbox::views;
use crate::sandbox::world::World;
use serde_json::json;

pub(in crate::sandbox) const ROUTES: &[Route] = &[
    Route { name: "GET /app/hook/config", needs: Needs::Jwt, query: "", body: &[], run: config },
    Route {
        name: "PATCH /app/hook/config",
        needs: Needs::Jwt,
        query: "",
        body: &[
            Field("url", Is::Text),
            Field("secret", Is::Text),
            Field("content_type", Is::Text),
            Field("insecure_ssl", Is::Any),
        ],
        run: set_config,
    },
    Route { name: "GET /app/hook/deliveries", needs: Needs::Jwt, query: "cursor status", body: &[], run: list },
    Route { name: "GET /app/hook/deliveries/{id}", needs: Needs::Jwt, query: "", body: &[], run: get },
    Route { name: "POST /app/hook/deliveries/{id}/attempts", needs: Needs::Jwt, query: "", body: &[], run: redeliver },
];

fn config(world: &mut World, _: &Call) -> Answer {
    let url = world.webhook.as_ref().map(|w| w.url.clone());
    Ok(Reply::ok(json!({ "content_type": "json", "insecure_ssl": "0", "secret": "********", "url": url })))
}

fn set_config(world: &mut World, call: &Call) -> Answer {
    let mut webhook =
        world.webhook.clone().unwrap_or_else(|| crate::sandbox::Webhook { url: String::new(), secret: String::new() });
    if let Some(url) = call.text("url") {
        webhook.url = url.to_owned();
    }
    if let Some(secret) = call.text("secret") {
        webhook.secret = secret.to_owned();
    }
    world.webhook = Some(webhook);
    config(world, call)
}

/// Newest first, with a cursor instead of page numbers.
fn list(world: &mut World, call: &Call) -> Answer {
    let (size, _) = call.page();
    if call.asked("page").is_some() {
        return Err(Refused::new(422, "This endpoint is paged by cursor"));
    }
    let failed = |d: &&Delivery| !(200..300).contains(&d.status_code);
    let all = world.outbox.log().rev().filter(|d| match call.asked("status") {
        Some("success") => !failed(d),
        Some("failure") => failed(d),
        _ => true,
    });
    let all = all.collect::<Vec<_>>();
    let start = match call.asked("cursor") {
        None => 0,
        Some(cursor) => {
            let id = cursor.strip_prefix("v1_").and_then(|id| id.parse::<u64>().ok());
            let at = id.and_then(|id| all.iter().position(|d| d.id == id));
            at.ok_or_else(|| Refused::new(422, "Invalid cursor"))?
        }
    };
    let page = all.iter().skip(start).take(size).map(|d| views::delivery(world, d, false)).collect::<Vec<_>>();
    let mut reply = Reply::ok(page.into());
    if let Some(next) = all.get(start + size) {
        let url = format!("{}/app/hook/deliveries?per_page={size}&cursor=v1_{}", world.base, next.id);
        reply.headers.push(("link".into(), format!("<{url}>; rel=\"next\"")));
    }
    Ok(reply)
}

fn find<'a>(world: &'a World, call: &Call) -> Result<&'a Delivery, Refused> {
    let id = call.id("id")?;
    world.outbox.log().find(|d| d.id == id).ok_or_else(Refused::not_found)
}

fn get(world: &mut World, call: &Call) -> Answer {
    let delivery = find(world, call)?;
    Ok(Reply::ok(views::delivery(world, delivery, true)))
}

fn redeliver(world: &mut World, call: &Call) -> Answer {
    let old = find(world, call)?.clone();
    let id = world.ids.next(Kind::Delivery);
    world.outbox.requeue(Outgoing {
        id,
        guid: old.guid,
        event: old.event,
        action: old.action,
        installation: old.installation,
        repository: old.repository,
        redelivery: true,
        payload: old.payload,
        forged: false,
    });
    Ok(Reply::with(202, json!({})))
}

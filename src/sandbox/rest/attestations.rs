//! Artifact attestations, which somebody has added.

use super::of;
use crate::sandbox::http::{Answer, Call, Needs, Route};
use crate::sandbox::world::World;
use serde_json::{Value, json};

pub(in crate::sandbox) const ROUTES: &[Route] = &[Route {
    name: "GET /repos/{owner}/{repo}/attestations/{digest}",
    needs: Needs::Right("attestations", "read"),
    query: "",
    body: &[],
    run: list,
}];

fn list(world: &mut World, call: &Call) -> Answer {
    let repo = of(world, call)?;
    let of_digest: Vec<&Value> =
        repo.attestations.iter().filter(|(digest, _)| digest == call.param("digest")).map(|(_, bundle)| bundle).collect();
    Ok(call.paged(
        world,
        &of_digest,
        Some("attestations"),
        |bundle| json!({ "bundle": bundle, "repository_id": repo.id, "bundle_url": "https://github.example/bundle" }),
    ))
}

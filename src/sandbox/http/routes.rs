//! Which operations exist: path, permission, fields that a body may have. What is not in the table is a 404, as on GitHub
//! for a path that it does not know.

use super::call::Call;
use super::reply::Answer;
use crate::sandbox::rest;
use crate::sandbox::world::World;
use std::collections::BTreeMap;

/// What an operation asks of the caller.
#[derive(Clone, Copy, Debug)]
pub(in crate::sandbox) enum Needs {
    /// The App's JWT.
    Jwt,
    /// The App's client id and secret.
    Client,
    /// Any installation token.
    Token,
    /// An installation token with this permission.
    Right(&'static str, &'static str),
    /// One of these permissions.
    OneOf(&'static [(&'static str, &'static str)]),
}

/// A body field: `name`, `name!` when it is required, then its kind.
#[derive(Clone, Copy, Debug)]
pub(in crate::sandbox) struct Field(pub &'static str, pub Is);

#[derive(Clone, Copy, Debug)]
pub(in crate::sandbox) enum Is {
    Text,
    Flag,
    List,
    Object,
    Any,
    OneOf(&'static [&'static str]),
}

pub(in crate::sandbox) type Handler = fn(&mut World, &Call) -> Answer;

#[derive(Clone, Copy)]
pub(in crate::sandbox) struct Route {
    /// `METHOD /path/{param}`; `{+param}` takes slashes too.
    pub name: &'static str,
    pub needs: Needs,
    pub query: &'static str,
    pub body: &'static [Field],
    pub run: Handler,
}

/// All operations, area by area.
fn table() -> impl Iterator<Item = &'static Route> {
    let areas: [&'static [Route]; 15] = [
        rest::app::ROUTES,
        rest::oauth::ROUTES,
        rest::hook::ROUTES,
        rest::repo::ROUTES,
        rest::git::ROUTES,
        rest::commits::ROUTES,
        rest::checks::ROUTES,
        rest::statuses::ROUTES,
        rest::releases::ROUTES,
        rest::attestations::ROUTES,
        rest::deployments::ROUTES,
        rest::actions::ROUTES,
        rest::rules::ROUTES,
        rest::people::ROUTES,
        rest::comments::ROUTES,
    ];
    areas.into_iter().flatten()
}

/// The operation of a method and path, with its parameters.
pub(in crate::sandbox) fn find(method: &str, path: &str) -> Option<(&'static Route, BTreeMap<&'static str, String>)> {
    table().find_map(|route| {
        let (verb, pattern) = route.name.split_once(' ')?;
        (verb == method).then(|| fit(pattern, path)).flatten().map(|params| (route, params))
    })
}

fn fit(pattern: &'static str, path: &str) -> Option<BTreeMap<&'static str, String>> {
    let mut params = BTreeMap::new();
    let mut parts = path.strip_prefix('/')?.split('/');
    for piece in pattern.strip_prefix('/')?.split('/') {
        let name = piece.strip_prefix('{').and_then(|p| p.strip_suffix('}'));
        match name.map(|name| name.strip_prefix('+').map_or((name, false), |rest| (rest, true))) {
            Some((name, true)) => {
                let rest = parts.by_ref().collect::<Vec<_>>().join("/");
                if rest.is_empty() {
                    return None;
                }
                params.insert(name, super::decode(&rest));
            }
            Some((name, false)) => {
                params.insert(name, parts.next().filter(|p| !p.is_empty()).map(super::decode)?);
            }
            None => {
                parts.next().filter(|part| *part == piece)?;
            }
        }
    }
    parts.next().is_none().then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fit_exactly() {
        let (route, params) = find("GET", "/repos/acme/shop/releases/tags/pkg%2Fv1.0.0").unwrap();
        assert_eq!(route.name, "GET /repos/{owner}/{repo}/releases/tags/{+tag}");
        assert_eq!(params["tag"], "pkg/v1.0.0");
        for (method, path) in
            [("GET", "/repos/acme/shop/"), ("GET", "/app/"), ("PUT", "/app"), ("GET", "/repos/acme//releases")]
        {
            assert!(find(method, path).is_none(), "{method} {path}");
        }
    }
}

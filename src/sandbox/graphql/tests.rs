//! Every field of the schema has a resolver.

use super::connection::Connection;
use super::exec::{Cx, Got};
use super::nodes::{Entry, Node};
use super::{Fragments, resolve};
use crate::sandbox::graphql::schema::{SCHEMA, TypeDef};
use crate::sandbox::http::Caller;
use crate::sandbox::{CommitSeed, DeploymentReport, DeploymentSeed, PullSeed, RepoSeed, Sandbox, SandboxConfig};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A node of every object type, over a repository that has one of everything.
fn one_of_each(sandbox: &Sandbox) -> Vec<Node> {
    let seed = RepoSeed::new("acme/shop").commit(CommitSeed::new("feat: x").file("a", "b").tagged("v1"));
    let shop = sandbox.create_repo(seed).unwrap();
    let sha = shop.resolve("main").unwrap();
    shop.annotated_tag("v2", &sha, "m").unwrap();
    let check = shop.check("ci", &sha, "build", "success").unwrap();
    let status = shop.status("ann", &sha, "lint", "success").unwrap();
    let release = shop.release_as("ann", "v1", false).unwrap();
    let deployment = shop.make_deployment(DeploymentSeed::new("ann", "dev", &sha)).unwrap();
    shop.report_deployment(deployment, DeploymentReport::new("ann", "success")).unwrap();
    shop.branch("topic", &sha).unwrap();
    shop.commit("topic", CommitSeed::new("fix: y")).unwrap();
    let pull = shop.open_pull(PullSeed::new("fix: y", "topic").label("big")).unwrap();
    sandbox.team("org", "t", &[]);
    let (report, suite) = (shop.deployments()[0].statuses[0].id, shop.check_runs()[0].suite);
    let id = shop.id();
    let mut world = sandbox.shared().world();
    let repo = world.repos.get_mut(&id).unwrap();
    let tag = repo.refs["refs/tags/v2"].object.clone();
    let commit = repo.git.commit(&sha).unwrap().clone();
    let blob = repo.git.object(&format!("{sha}:a")).unwrap().unwrap().oid;
    let entry = Entry { path: "a".into(), mode: 0o100_644, kind: "blob".into(), oid: blob.clone(), size: 1 };
    let mut nodes = vec![
        Node::Query,
        Node::RateLimit,
        Node::Account("ann".into()),
        Node::Account("lockkeeper[bot]".into()),
        Node::Account("org".into()),
        Node::App(1, "x".into()),
        Node::GitActor(commit.author),
        Node::Repository(id),
        Node::Ref(id, "refs/heads/main".into()),
        Node::Comparison { repo: id, base: sha.clone(), head: sha.clone() },
        Node::Commit(id, sha.clone()),
        Node::Tag(id, tag),
        Node::Tree(id, commit.tree),
        Node::TreeEntry(id, Box::new(entry)),
        Node::Blob(id, blob),
        Node::Rollup(id, sha.clone()),
        Node::Status(id, sha.clone()),
        Node::StatusContext(id, status),
        Node::CheckSuite(id, suite),
        Node::CheckRun(id, check),
        Node::Release(id, release),
        Node::Deployment(id, deployment),
        Node::DeploymentStatus(id, deployment, report),
        Node::PullRequest(id, pull),
        Node::PullCommit { repo: id, pull, sha: sha.clone() },
        Node::ChangedFile("a".into()),
        Node::Label(id, "big".into()),
        Node::PageInfo { next: false, previous: false, start: None, end: None },
    ];
    let edges = [
        Node::Ref(id, "refs/heads/main".into()),
        Node::Release(id, release),
        Node::PullRequest(id, pull),
        Node::Commit(id, sha),
    ];
    nodes.extend(edges.into_iter().map(|node| Node::Edge(String::new(), Box::new(node))));
    let connections = SCHEMA.keys().filter(|name| name.ends_with("Connection"));
    let empty = |name: &'static String| {
        Node::Connection(Box::new(Connection::of::<()>(name, &json!({ "first": 1 }), &[], |()| Node::Query)))
    };
    nodes.extend(connections.map(empty));
    nodes
}

#[test]
fn every_field_of_the_schema_is_answered_and_of_its_kind() {
    let sandbox = Sandbox::start(SandboxConfig::default()).unwrap();
    let nodes = one_of_each(&sandbox);
    let mut world = sandbox.shared().world();
    let permissions = world.config.permissions.clone();
    let (id, repos) = world.installs.values().next().map(|i| (i.id, i.repos.clone())).unwrap();
    let repo_node = crate::sandbox::ids::node_id(crate::sandbox::ids::Kind::Repository, 0, *repos.first().unwrap());
    let caller = Caller::Installation { id, permissions, repos: repos.clone() };
    let (fragments, values): (Fragments<'_>, _) = (HashMap::new(), json!({}));
    let args = json!({
        "owner": "acme", "name": "shop", "id": repo_node, "ids": [repo_node], "qualifiedName": "main", "refPrefix": "refs/tags/",
        "expression": "main", "tagName": "v1", "number": 1, "headRef": "v1", "path": "a", "first": 5,
    });
    let mut seen = BTreeSet::new();
    for node in nodes {
        let name = node.type_name(&world);
        let Some(TypeDef::Fields { fields, object: true, .. }) = SCHEMA.get(name) else {
            panic!("{name} is not in the schema")
        };
        seen.insert(name);
        for (field, def) in fields.iter().collect::<BTreeMap<_, _>>() {
            // `path` of a history is the one argument that is refused.
            let mut args = args.clone();
            if field == "history" {
                args["path"] = serde_json::Value::Null;
            }
            let mut cx = Cx {
                world: &mut world,
                caller: &caller,
                fragments: &fragments,
                values: &values,
                errors: vec![],
                cost: 1,
                nodes: 1,
            };
            let got = resolve::field(&mut cx, &node, field, &args).unwrap_or_else(|e| panic!("{name}.{field}: {e:?}"));
            let leaf = crate::sandbox::graphql::schema::is_leaf(&def.ty.name);
            match got {
                Got::Leaf(value) => {
                    assert!(leaf, "{name}.{field} is a leaf");
                    assert!(!(def.ty.required && value.is_null()), "{name}.{field} is null");
                }
                Got::One(found) => {
                    assert!(!leaf && !def.ty.list, "{name}.{field}");
                    assert!(!(def.ty.required && found.is_none()), "{name}.{field} is null");
                    let fits = |n: &Node| crate::sandbox::graphql::schema::is_a(n.type_name(&world), &def.ty.name);
                    assert!(found.as_ref().is_none_or(fits), "{name}.{field} is {found:?}, not {}", def.ty.name);
                }
                Got::Many(found) => {
                    assert!(def.ty.list, "{name}.{field}");
                    let fits = |n: &Node| crate::sandbox::graphql::schema::is_a(n.type_name(&world), &def.ty.name);
                    assert!(found.iter().all(fits), "{name}.{field} is {found:?}, not {}", def.ty.name);
                }
                Got::Page(page) => assert_eq!(page.type_name, def.ty.name, "{name}.{field}"),
            }
        }
    }
    let objects = SCHEMA.iter().filter(|(_, def)| matches!(def, TypeDef::Fields { object: true, .. })).map(|(n, _)| n.as_str());
    let unseen = objects.filter(|name| !seen.contains(name)).collect::<Vec<_>>();
    assert!(unseen.is_empty(), "no node of {unseen:?}");
}

//! GraphQL over the same state.

use super::bot::Bot;
use super::shop;
use lockkeeper::sandbox::{CommitSeed, Merge, PullSeed};
use serde_json::{Value, json};

fn here() -> Value {
    json!({ "owner": "acme", "name": "shop" })
}

#[tokio::test]
async fn one_query_reads_everything_about_a_tag() {
    let (sandbox, shop) = shop();
    let main = shop.resolve("main").unwrap();
    shop.annotated_tag("v1.0.0", &main, "the first").unwrap();
    shop.check("github-actions", &main, "build", "success").unwrap();
    shop.status("ann", &main, "ci/lint", "pending").unwrap();
    let bot = Bot::of(&sandbox).await;
    bot.post("/repos/acme/shop/releases", json!({ "tag_name": "v1.0.0", "draft": true, "body": "x" })).await.expect(201);
    let query = r#"
        query Facts($owner: String!, $name: String!, $with: Boolean!) {
          repository(owner: $owner, name: $name) {
            databaseId
            defaultBranchRef { name compare(headRef: "refs/tags/v0.1.0") { status aheadBy behindBy } }
            tag: ref(qualifiedName: "refs/tags/v1.0.0") {
              target { __typename oid ... on Tag { message tagger { name } target { __typename oid ...Parts } } }
            }
            refs(refPrefix: "refs/tags/", first: 1, orderBy: { field: TAG_COMMIT_DATE, direction: DESC }) {
              totalCount pageInfo { hasNextPage } nodes { name }
            }
            release(tagName: "v1.0.0") { databaseId }
            releases(first: 5) @include(if: $with) { nodes { tagName isDraft author { login databaseId } } }
            gone: releases(first: 5) @skip(if: $with) { totalCount }
            none: object(expression: "main:nope.toml") { oid }
            file: object(expression: "v1.0.0:Cargo.toml") { ... on Blob { text isBinary isTruncated byteSize } }
          }
          rateLimit { cost remaining limit }
        }
        fragment Parts on Commit {
          cargo: file(path: "Cargo.toml") { path object { ... on Blob { text } } }
          history(first: 2) { totalCount pageInfo { endCursor hasNextPage } nodes { message author { email user { login } } parents(first: 1) { nodes { oid } } } }
          statusCheckRollup { state contexts(first: 10) { totalCount nodes {
            __typename
            ... on CheckRun { name conclusion checkSuite { app { databaseId slug } } }
            ... on StatusContext { context state creator { login __typename } }
          } } }
        }"#;
    let mut variables = here();
    variables["with"] = true.into();
    let got = bot.graphql(query, variables).await;
    assert_eq!(got["errors"], Value::Null, "{got}");
    let repo = &got["data"]["repository"];
    assert_eq!(repo["databaseId"], shop.id());
    assert_eq!(
        repo["defaultBranchRef"],
        json!({ "name": "main", "compare": { "status": "BEHIND", "aheadBy": 0, "behindBy": 2 } })
    );
    let tag = &repo["tag"]["target"];
    assert_eq!((tag["__typename"].as_str(), tag["target"]["oid"].as_str()), (Some("Tag"), Some(main.as_str())));
    let commit = &tag["target"];
    assert_eq!(
        (commit["history"]["totalCount"].as_u64(), commit["history"]["nodes"][1]["author"]["user"]["login"].as_str()),
        (Some(3), Some("ann"))
    );
    assert_eq!(commit["history"]["nodes"][0]["author"]["user"], Value::Null, "an unknown email");
    let rollup = &commit["statusCheckRollup"];
    assert_eq!((rollup["state"].as_str(), rollup["contexts"]["totalCount"].as_u64()), (Some("PENDING"), Some(2)));
    assert_eq!(rollup["contexts"]["nodes"][0]["checkSuite"]["app"], json!({ "databaseId": 15368, "slug": "github-actions" }));
    assert_eq!(rollup["contexts"]["nodes"][1]["creator"], json!({ "login": "ann", "__typename": "User" }));
    assert_eq!((&repo["release"], &repo["none"]), (&Value::Null, &Value::Null), "a draft has no tag");
    assert_eq!(repo["releases"]["nodes"][0]["author"]["login"], "lockkeeper[bot]");
    assert!(repo.get("gone").is_none() && repo["file"]["text"].as_str().unwrap().contains("0.1.0"));
    assert_eq!(repo["refs"], json!({ "totalCount": 2, "pageInfo": { "hasNextPage": true }, "nodes": [{ "name": "v1.0.0" }] }));
    assert_eq!((sandbox.counts()["POST /graphql Facts"], sandbox.violations().len()), (1, 0));
}

#[tokio::test]
async fn merged_work_knows_its_pull_request() {
    let (sandbox, shop) = shop();
    shop.branch("topic", &shop.resolve("main").unwrap()).unwrap();
    let work = shop.commit("topic", CommitSeed::new("feat: one").author("cleo").file("one", "1")).unwrap();
    let number = shop.open_pull(PullSeed::new("feat: one", "topic").author("cleo").label("big")).unwrap();
    shop.merge_pull(number, Merge::Commit, "ann").unwrap();
    let bot = Bot::of(&sandbox).await;
    let query = r#"query($owner: String!, $name: String!, $after: String, $mine: CommitAuthor!) { repository(owner: $owner, name: $name) {
        ref(qualifiedName: "v0.1.0") { compare(headRef: "main") { commits(first: 3, after: $after) {
          totalCount pageInfo { hasNextPage endCursor }
          nodes { oid associatedPullRequests(first: 1) { nodes { number author { login } mergedAt labels(first: 5) { nodes { name } } } } }
        } } }
        object(expression: "main") { ... on Commit { history(first: 1, author: $mine) { totalCount } } }
      } }"#;
    let mut variables = here();
    variables["mine"] = json!({ "emails": ["bob@example.org"] });
    let got = bot.graphql(query, variables.clone()).await;
    let commits = &got["data"]["repository"]["ref"]["compare"]["commits"];
    assert_eq!((commits["totalCount"].as_u64(), commits["nodes"][2]["oid"].as_str()), (Some(4), Some(work.as_str())));
    let pull = &commits["nodes"][2]["associatedPullRequests"]["nodes"][0];
    assert_eq!((pull["number"].as_u64(), pull["author"]["login"].as_str()), (Some(number), Some("cleo")));
    assert_eq!((pull["labels"]["nodes"][0]["name"].as_str(), pull["mergedAt"].is_string()), (Some("big"), true));
    assert_eq!(got["data"]["repository"]["object"]["history"]["totalCount"], 1);
    variables["after"] = commits["pageInfo"]["endCursor"].clone();
    let rest = bot.graphql(query, variables).await;
    let rest = &rest["data"]["repository"]["ref"]["compare"]["commits"];
    assert_eq!((rest["nodes"].as_array().unwrap().len(), rest["pageInfo"]["hasNextPage"].as_bool()), (1, Some(false)));
}

#[tokio::test]
async fn what_github_does_not_know_is_an_error_and_a_violation() {
    let (sandbox, _) = shop();
    let bot = Bot::of(&sandbox).await;
    let within = |inner: &str| format!("query Q {{ repository(owner: \"acme\", name: \"shop\") {{ {inner} }} }}");
    let cases = [
        ("nothing", "Field 'nothing' doesn't exist on type 'Repository'"),
        ("name { x }", "Selections can't be made on scalars"),
        ("defaultBranchRef", "Field must have selections"),
        ("ref { name }", "missing required arguments: qualifiedName"),
        ("ref(qualifiedName: 1) { name }", "invalid value"),
        ("refs(refPrefix: \"refs/tags/\", size: 3) { totalCount }", "doesn't accept argument 'size'"),
        ("refs(refPrefix: \"refs/tags/\") { nodes { name } }", "You must provide a `first` or `last` value"),
        ("releases(first: 101) { totalCount }", "exceeds the `first` limit of 100"),
        ("... on Commit { oid }", "can't be spread inside Repository"),
        ("...Missing", "was used, but not defined"),
        ("ref(qualifiedName: $x) { name }", "is used by anonymous query but not declared"),
        ("pullRequest(number: 77) { title }", "Could not resolve to a PullRequest"),
    ];
    for (inner, wanted) in cases {
        let got = bot.graphql(&within(inner), json!({})).await;
        let message = got["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(message.contains(wanted), "{inner}: {got}");
    }
    assert_eq!(sandbox.violations().len(), cases.len());
    let parse = bot.graphql("query {", json!({})).await;
    assert_eq!(parse["errors"][0]["extensions"]["code"], "parseError");
    let wrong = bot
        .graphql(
            "query($n: Int!) { repository(owner: \"acme\", name: \"shop\") { pullRequest(number: $n) { id } } }",
            json!({ "n": "1" }),
        )
        .await;
    assert!(wrong["errors"][0]["message"].as_str().unwrap().contains("invalid value"));
    sandbox.set_permission("acme", "checks", None).unwrap();
    sandbox.set_permission("acme", "statuses", None).unwrap();
    let bot = Bot::of(&sandbox).await;
    let query = within("object(expression: \"main\") { ... on Commit { oid checkSuites(first: 1) { totalCount } } }");
    let got = bot.graphql(&query, json!({})).await;
    assert_eq!(got["errors"][0]["type"], "FORBIDDEN", "{got}");
    assert_eq!(
        (got["errors"][0]["path"].clone(), &got["data"]["repository"]["object"]["checkSuites"]),
        (json!(["repository", "object", "checkSuites"]), &Value::Null)
    );
    let foreign = bot.graphql("{ repository(owner: \"acme\", name: \"nope\") { id } }", json!({})).await;
    assert_eq!((foreign["errors"][0]["type"].as_str(), &foreign["data"]["repository"]), (Some("NOT_FOUND"), &Value::Null));
}

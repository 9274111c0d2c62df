//! Texts with a grammar of their own: each carries the name of its check (`x-format`, see [`super::format`]) and an
//! example into the JSON Schema. Deserializing does not check: the walk over the file has, with positions.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $format:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "x-format": $format, "examples": [$example] })
            }
        }
    };
}

text!(Duration, "duration", "30m");
text!(EnvRef, "environment", "staging");
text!(Expression, "expression", "status == 200");
text!(
    /// For names of branches and tags.
    Glob, "glob", "release/*"
);
text!(
    /// A backend or a server in HAProxy's configuration.
    HaproxyName, "haproxy_name", "web_blue"
);
text!(Login, "login", "octocat");
text!(Query, "query", "sum(rate(http_errors_total{slot=\"{{ slot }}\"}[1m]))");
text!(RepoPath, "path", "cliff.toml");
text!(Reporter, "reporter", "github-actions[bot]");
text!(Who, "who", "team:sre");
text!(TagPattern, "tag_pattern", "v{version}");
text!(TargetRef, "name", "actions");
text!(TeamSlug, "login", "sre");
text!(Template, "template", "{{ version }}");
text!(Timezone, "timezone", "Europe/Berlin");
text!(Url, "url", "https://staging.example.com");
text!(WindowSpan, "window", "Fri 15:00 - Mon 07:00");
text!(Workflow, "workflow", "deploy.yml");

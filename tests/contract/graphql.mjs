// Validates every operation in src/github/queries against GitHub's public GraphQL schema.
// Usage: node graphql.mjs <folder with node_modules> <folder with *.graphql>...
import { createRequire } from "node:module";
import { readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";

const [packages, ...folders] = process.argv.slice(2);
const require = createRequire(resolve(packages, "x.js"));
const { buildSchema, parse, validate, visit, print, Kind } = require("graphql");
const schema = buildSchema(readFileSync(join(packages, "node_modules/@octokit/graphql-schema/schema.graphql"), "utf8"), {
  // GitHub's own file defines a field twice.
  assumeValidSDL: true,
});

// What the product puts where a document has a comment of this kind: declarations and one alias for each item.
const generated = {
  "author_logins.graphql": ["$c0: GitObjectID!", "c0: object(oid: $c0) { ... on Commit { author { user { login } } } }"],
  "files_at.graphql": ["$f0: String!", "f0: file(path: $f0) { ...Text }"],
  "recheck.graphql": ["$a0: CommitAuthor!", "a0: history(first: 1, author: $a0) { totalCount }"],
};

function text(folder, name) {
  const source = readFileSync(join(folder, name), "utf8");
  const [declared, alias] = generated[name] ?? [];
  if (declared === undefined) return source;
  return source.replace("#variables", declared).replace(/#(commits|files|authors)$/m, alias);
}

const operations = [];
const fragments = new Map();
for (const folder of folders) {
  for (const name of readdirSync(folder).filter((name) => name.endsWith(".graphql")).sort()) {
    for (const definition of parse(text(folder, name)).definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) {
        fragments.set(definition.name.value, definition);
      } else {
        operations.push({ name, definition });
      }
    }
  }
}

// The product sends an operation together with the fragments that it names, so these are validated together.
function withFragments(operation) {
  const needed = new Map();
  const collect = (node) =>
    visit(node, {
      FragmentSpread(spread) {
        const name = spread.name.value;
        if (!needed.has(name) && fragments.has(name)) {
          needed.set(name, fragments.get(name));
          collect(fragments.get(name));
        }
      },
    });
  collect(operation);
  return { used: [...needed.keys()], text: [operation, ...needed.values()].map(print).join("\n") };
}

let wrong = 0;
const used = new Set();
for (const { name, definition } of operations) {
  const { used: names, text } = withFragments(definition);
  names.forEach((fragment) => used.add(fragment));
  for (const error of validate(schema, parse(text))) {
    wrong += 1;
    console.error(`${name}: ${error.message}`);
  }
}
for (const name of [...fragments.keys()].filter((name) => !used.has(name))) {
  wrong += 1;
  console.error(`no operation uses the fragment ${name}`);
}
if (operations.length === 0) {
  wrong += 1;
  console.error(`no operation was found in ${folders.join(", ")}`);
}

// So that this script can fail: a field that GitHub does not have must be noticed.
if (validate(schema, parse("{ viewer { noSuchField } }")).length !== 1) {
  wrong += 1;
  console.error("the validator accepts a field that does not exist");
}
console.log(`${operations.length} operations and ${fragments.size} fragments against GitHub's schema: ${wrong} problems`);
process.exit(wrong === 0 ? 0 : 1);

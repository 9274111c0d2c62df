// The JSON Schema that `lockkeeper schema` prints, as an editor would use it: it compiles, accepts the example that has
// everything, and refuses mistakes.
// Usage: lockkeeper schema | node config-schema.mjs <folder with node_modules> <example.toml>
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const [packages, example] = process.argv.slice(2);
const require = createRequire(resolve(packages, "x.js"));
const Ajv = require("ajv").default;
const { parse } = require("smol-toml");
const ajv = new Ajv({ strict: false, allErrors: true, formats: { uint8: true } });
const validate = ajv.compile(JSON.parse(readFileSync(0, "utf8")));

const problems = [];
const expect = (text, valid) => {
  if (validate(parse(text)) !== valid) {
    problems.push(`${valid ? "refused" : "accepted"}:\n${text}\n${ajv.errorsText(validate.errors)}`);
  }
};
expect(readFileSync(example, "utf8"), true);
expect("", true);
expect('[environments.a]\nstrategy = "direct"\nrollback = "manual"', true);
expect("x = 1", false);
expect("[release]\ntag = 1", false);
expect('[environments.a]\non = ["tags"]', false);
expect('[environments.a]\nstrategy = "canary"', false);
expect('[targets.a]\nkind = "workflow"', false);
expect('[targets.a]\nkind = "ssh"', false);
expect('[release]\ngates = [{ kind = "checks", wiat = "1m" }]', false);
console.log(`the JSON Schema of the configuration: ${problems.length} problems`);
problems.forEach((problem) => console.error(problem));
process.exit(problems.length === 0 ? 0 : 1);

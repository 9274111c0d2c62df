// The competitor of benches/webhook.rs: Probot with a handler that does nothing but count.
// Arguments: port, webhook secret, private key file.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createNodeMiddleware, createProbot } from "probot";

const [port, secret, keyFile] = process.argv.slice(2);
const probot = createProbot({
  overrides: { appId: 1, privateKey: readFileSync(keyFile, "utf8"), secret, logLevel: "error" },
});
let seen = 0;
const app = (bot) => bot.on("push", async () => { seen += 1; });
const middleware = await createNodeMiddleware(app, { probot, webhooksPath: "/webhook" });
createServer((request, response) => middleware(request, response)).listen(Number(port), "127.0.0.1", () => console.log("ready"));

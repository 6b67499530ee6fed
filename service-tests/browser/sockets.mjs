// WebSockets of a real browser: messages of both kinds, a large one, and the service's close.
//
// Run by `service-tests/tests/outside/clients.rs`, which says in the environment where everything is.

import { createRequire } from "node:module";
import assert from "node:assert/strict";

const { SERVICE, TOOLS, CHROMIUM } = process.env;
const { chromium } = createRequire(`${TOOLS}/`)("playwright-core");
const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
});
const context = await browser.newContext({ ignoreHTTPSErrors: true });
const page = await context.newPage();
await page.goto(`${SERVICE}/page`);
const said = await page.evaluate(async () => {
  const socket = new WebSocket(location.href.replace(/^http/, "ws").replace("/page", "/echo"));
  socket.binaryType = "arraybuffer";
  const next = () => new Promise((heard, broken) => {
    socket.onmessage = (event) => heard(event.data);
    socket.onerror = () => broken(new Error("the socket broke"));
  });
  await new Promise((open, broken) => { socket.onopen = open; socket.onerror = () => broken(new Error("no socket")); });
  const answers = [];
  for (const message of ["text", "ü".repeat(200000)]) { const heard = next(); socket.send(message); answers.push((await heard) === message); }
  const heard = next();
  socket.send(new Uint8Array([1, 2, 3]));
  answers.push(new Uint8Array(await heard).join() === "1,2,3");
  window.ofSocket = new Promise((closed) => { socket.onclose = (event) => closed([event.code, event.reason, event.wasClean]); });
  return answers;
});
assert.deepEqual(said, [true, true, true]);
console.log("open");
assert.deepEqual(await page.evaluate(() => window.ofSocket), [1001, "the service stops", true]);
await browser.close();

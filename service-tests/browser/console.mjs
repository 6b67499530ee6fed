// The console in a real browser: what a person sees, does with the keyboard alone, and must never see.
//
// Run by `service-tests/tests/console/browser.rs`, which says in the environment where everything is.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import assert from "node:assert/strict";

const { CONSOLE, SERVICE, TOKEN, MARKUP, TOOLS, PICTURES, CHROMIUM } = process.env;
const require = createRequire(`${TOOLS}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const wrong = [];
const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
});

async function opened(options) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  page.on("console", (said) => { if (["error", "warning"].includes(said.type())) wrong.push(`${said.type()}: ${said.text()}`); });
  page.on("pageerror", (error) => wrong.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => { wrong.push(`a dialog of the page: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => { if (!request.url().startsWith(CONSOLE)) wrong.push(`asks elsewhere: ${request.url()}`); });
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`));
    new MutationObserver((_, observer) => {
      if (!document.querySelector("#calls tbody tr th")) return;
      window.firstCall = performance.now();
      observer.disconnect();
    }).observe(document, { childList: true, subtree: true });
  });
  return page;
}
const row = (page, section, name) => page.locator(`#${section} tbody tr`, { has: page.locator("th", { hasText: name }) }).first();
const picture = (page, name, whole = false) => page.screenshot({ path: `${PICTURES}/${name}.png`, fullPage: whole });
async function judged(page, what) {
  // The tests' judge is no part of the page: it is put in from outside, past the page's policy.
  await page.evaluate(`if (!window.axe) { ${axe} }`);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const told = violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`).join(" | ")}`);
  assert.deepEqual(told, [], `accessibility of ${what}`);
}
async function tabTo(page, label) {
  for (let step = 0; step < 200; step++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => document.activeElement?.getAttribute("aria-label") || document.activeElement?.textContent);
    if (at === label) return;
  }
  assert.fail(`the keyboard does not reach ${label}`);
}
const inDialog = (page) => page.evaluate(() => document.querySelector("#dialog").contains(document.activeElement) || document.activeElement === document.body);

try {
  // Something useful within a second: the best of three, since the machine may be busy with other things.
  const loads = [];
  for (let load = 0; load < 3; load++) {
    const page = await opened();
    await page.goto(`${CONSOLE}/console`);
    await row(page, "calls", "app::price").waitFor();
    loads.push(await page.evaluate(() => window.firstCall));
    await page.context().close();
  }
  assert.ok(Math.min(...loads) < 1000, `calls are shown after ${loads} ms`);

  const page = await opened({ colorScheme: "light", reducedMotion: "reduce" });
  await page.goto(`${CONSOLE}/console`);
  await row(page, "calls", "app::price").waitFor();
  assert.equal(await page.title(), "orders · console");
  await page.waitForFunction(() => {
    const rows = [...document.querySelectorAll("#calls tbody tr")];
    return rows.some((row) => row.cells[0].textContent.startsWith("app::price") && parseFloat(row.cells[1].textContent) > 1);
  });

  // Names and values are text.
  await page.locator("#calls th", { hasText: MARKUP }).waitFor();
  await page.locator("#checks td", { hasText: `refused ${MARKUP}` }).waitFor();
  assert.equal(await page.locator("img, b img, script:not([src])").count(), 0);

  // Nobody without the token acts.
  assert.equal(await page.locator(".acting:visible").count(), 0);

  // A circuit that opens is shown without a reload, and said.
  assert.match(await row(page, "circuits", "app::pay").innerText(), /closed/);
  for (let call = 0; call < 6; call++) await fetch(`${SERVICE}/pay/badly`);
  const opens = Date.now();
  await page.waitForFunction(() => [...document.querySelectorAll("#circuits tbody tr")].some((row) => row.cells[0].textContent.startsWith("app::pay") && row.cells[1].textContent === "open"));
  const shown = Date.now() - opens;
  assert.ok(shown < 6000, `an open circuit is shown after ${shown} ms`);
  await page.waitForFunction(() => document.querySelector("#said").textContent.includes("circuit app::pay: open"));
  await page.locator("#transitions td", { hasText: "app::pay" }).first().waitFor();
  await page.locator("#refusals td", { hasText: "app::pay" }).first().waitFor();
  assert.deepEqual(wrong, [], "before anybody was refused");

  // A wrong token is refused.
  await page.locator("#sign").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.type("incorrect-horse-battery");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("#wrong").textContent.includes("not the token"));
  await picture(page, "wrong-token");
  await judged(page, "a dialog");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.activeElement.id === "sign");
  assert.equal(await page.locator("body.can-act").count(), 0);
  assert.ok(wrong.length === 1 && wrong[0].includes("401"), `the browser tells of the refusal alone: ${wrong}`);
  wrong.length = 0;

  // The right one lets act, by keyboard alone.
  await page.keyboard.press("Enter");
  await page.keyboard.type(TOKEN);
  await page.keyboard.press("Enter");
  await page.locator("body.can-act").waitFor();
  await tabTo(page, "Change… app::pay");
  await page.keyboard.press("Enter");
  await page.locator("#dialog[open]").waitFor();
  await picture(page, "dialog");
  for (let step = 0; step < 8; step++) {
    await page.keyboard.press("Tab");
    assert.ok(await inDialog(page), "the focus stays in the dialog");
  }
  await page.keyboard.press("Escape");
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowDown");
  assert.equal(await page.locator("#dialog input:checked").getAttribute("value"), "forced_open");
  await page.keyboard.press("Enter");
  await page.locator("#dialog:not([open])").waitFor({ state: "attached" });
  await row(page, "circuits", "app::pay").locator("td", { hasText: /^forced open$/ }).waitFor();
  const focused = await page.evaluate(() => document.activeElement.getAttribute("aria-label"));
  assert.equal(focused, "Change… app::pay", "the focus is where it was");
  await page.locator("#overrides th", { hasText: "app::pay" }).waitFor();
  await page.locator("#audit td", { hasText: "call.app::pay.circuit_breaker.mode" }).first().waitFor();

  // A value that is none stays in the dialog with why.
  await page.getByRole("button", { name: "Change… app::search" }).click();
  await page.locator("#dialog input[name=rate]").fill(MARKUP);
  await page.locator("#confirm").click();
  await page.waitForFunction((markup) => document.querySelector("#wrong").textContent.includes(markup), MARKUP);
  await page.locator("#dialog input[name=rate]").fill("60/s");
  await page.locator("#confirm").click();
  await row(page, "limits", "app::search").locator("td", { hasText: "60/s" }).waitFor();
  assert.ok(wrong.length === 1 && wrong[0].includes("422"), `${wrong}`);
  wrong.length = 0;

  // As people see it.
  await page.locator("summary", { hasText: "[admin]" }).click();
  await page.locator("summary", { hasText: "app::ship" }).first().click();
  await page.locator("#groups td", { hasText: "[redacted]" }).first().waitFor();
  assert.ok(!(await page.content()).includes(TOKEN), "the token is nowhere in the page");
  assert.equal(await page.evaluate(() => document.cookie + JSON.stringify(localStorage)), "{}", "nor kept beyond the tab");
  await page.waitForTimeout(Number(process.env.LINGER || 0));
  await page.evaluate(() => { scrollTo(0, 0); document.activeElement.blur(); });
  await picture(page, "light");
  await picture(page, "light-whole", true);
  await judged(page, "the light page");
  await page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
  await picture(page, "dark");
  await picture(page, "dark-whole", true);
  await judged(page, "the dark page");
  assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).scrollBehavior), "auto", "motion is reduced");
  await page.setViewportSize({ width: 320, height: 640 });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 320), "320 pixels are wide enough");
  await picture(page, "narrow");
  await judged(page, "the narrow page");
  await page.setViewportSize({ width: 1440, height: 1000 });

  // The filter leaves what is looked for.
  await page.locator("#filter").fill("price");
  assert.equal(await page.locator("#calls tbody tr").count(), 1);
  await page.locator("#filter").fill("");

  // A drain is asked about, and seen to its end.
  await page.locator("#drain").click();
  assert.equal(await page.evaluate(() => document.activeElement.id), "cancel", "what cannot be taken back needs a second look");
  await page.locator("#confirm").click();
  await page.waitForFunction(() => /drain/.test(document.querySelector("#stage").textContent));
  await picture(page, "draining");
  await page.waitForFunction(() => document.querySelector("#link").textContent === "the service has ended");
  const told = wrong.filter((line) => !line.includes("net::ERR_"));
  assert.deepEqual(told, [], "no errors, no warnings, no violations");
  console.log(JSON.stringify({ first_call_ms: loads.map(Math.round), open_shown_ms: shown, chromium: browser.version() }));
} catch (failure) {
  for (const context of browser.contexts()) {
    for (const page of context.pages()) {
      await picture(page, "failed");
      console.log(`the dialog says: ${await page.locator("#wrong").textContent()}; the browser: ${wrong}`);
    }
  }
  throw failure;
} finally {
  await browser.close();
}

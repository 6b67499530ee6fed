"use strict";
// Every text comes in by textContent: names and values are shown, never read as markup.
const $ = (id) => document.getElementById(id);
const KEPT = 61, WINDOW = 30, LINE = 600;
const GOOD = ["success", "ignored", "fallback"], REFUSED = ["circuit_open", "rate_limited", "bulkhead_full", "rejected"];
const STATES = { closed: "good", open: "bad", half_open: "warn", forced_open: "bad", disabled: "calm", metrics_only: "calm" };
let token = sessionStorage.getItem("hardening-token") || "";
let samples = [], state = null, configuration = null, revision = -1, polls = 0, canAct = null;
const times = new Map();

// Elements
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}
function svg(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
function put(node, text) { if (node.textContent !== text) node.textContent = text; }
const badge = (text, kind = "") => el("span", { class: `badge ${kind}` }, text);
const plain = (text) => (text || "").replaceAll("`", "");
const words = (name) => String(name).replaceAll("_", " ");

// Rows stay while what they show stays, so that focus does and nothing flickers.
function rows(body, items, keyOf, cellsOf) {
  const known = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  items.forEach((item, at) => {
    const key = String(keyOf(item));
    let row = known.get(key);
    if (row) known.delete(key);
    else { row = el("tr"); row.dataset.key = key; }
    if (body.rows[at] !== row) body.insertBefore(row, body.rows[at] || null);
    cellsOf(item).forEach((content, column) => cell(row, column, content));
  });
  known.forEach((row) => row.remove());
  const none = body.closest(".scroll").querySelector(".none");
  if (none) none.hidden = items.length > 0;
}
// A cell is a text, or { head, small, text, kind, key, make }; what is made is made again when its key changes.
function cell(row, column, content) {
  const is = typeof content === "object" ? content : { text: content };
  let made = row.cells[column];
  if (!made) { made = el(is.head ? "th" : "td", is.head ? { scope: "row" } : {}); row.append(made); }
  if (made.className !== (is.kind || "")) made.className = is.kind || "";
  const key = is.make ? String(is.key) : String(is.text) + "\u0000" + (is.small || "");
  if (made.dataset.key === key) return;
  made.dataset.key = key;
  if (is.make) made.replaceChildren(...[is.make()].flat());
  else made.replaceChildren(String(is.text), ...(is.small ? [el("small", {}, is.small)] : []));
}

// The tables: id, title, what they show, and heads; # is a number, ~ is left out where it is narrow, ! is for who may act.
const TABLES = [
  ["calls", "Calls", "Rate, latency and shares are those of the last 30 seconds; counts are those since the start.", "Call|Rate#|Last minute~|p50#|p99#|In flight#|Shares|Outcomes", "This program has no call under a policy."],
  ["routes", "Routes", "What each route has answered, all methods together, and the limits in force for it. Rate, latency and shares are those of the last 30 seconds; counts are those since the start.", "Route|Rate#|Last minute~|p50#|p99#|In flight#|Shares|Answers|Limits"],
  ["upgraded", "Upgraded connections", "Connections on which another protocol is spoken, by route.", "Route|Protocol|Open#"],
  ["lingering", "What a shutdown waits for", "Upgraded connections, and what requests have spawned.", "What|Count#"],
  ["circuits", "Circuit breakers", "States now, outcomes in the window, and what they were: ten minutes at most, newest at the right.", "Circuit|State|Timeline~|In the window#|Failed#|Slow#|Last change|Actions!"],
  ["limits", "Rate limits", "What each limit admits, and what it decided.", "Limit|Rate#|Burst#|Keys#|Allowed#|Refused#|Refused /s#|Actions!"],
  ["bulkheads", "Bulkheads", "Places taken, and callers that wait for one.", "Bulkhead|Taken|In flight#|Places#|Waiting#|Queue#|Longest wait#|Actions!"],
  ["checks", "Health checks", "The last report of each check.", "Check|State|Decides|Last run|Error"],
  ["tasks", "Background tasks", "What runs beside requests.", "Task|State|Restarts#|Last error"],
  ["audit", "Audit", "What was asked for in the console, newest first; the log has it under the target hardening::audit.", "Time|Action|Result|What|Change|Who|Request", "Nothing yet."],
];
const KINDS = { "#": "n", "~": "wide", "!": "acting" };
function heads(text) {
  return el("thead", {}, el("tr", {}, ...text.split("|").map((head) => el("th", { scope: "col", class: KINDS[head.slice(-1)] || "" }, head.replace(/[#~!]$/, "")))));
}
for (const [id, title, shows, columns, none] of TABLES) {
  const label = `${id}-title`;
  const made = el("section", { id, "aria-labelledby": label, hidden: !none },
    el("h2", { id: label }, title),
    el("div", { class: "scroll", tabindex: "0", role: "group", "aria-labelledby": label }, el("table", {}, el("caption", {}, shows), heads(columns), el("tbody")), ...(none ? [el("p", { class: "none" }, none)] : [])));
  if (id === "audit") $("main").append(made);
  else $("main").insertBefore(made, $("events"));
}

// Numbers
const count = (n) => (n ?? 0).toLocaleString("en");
function rate(n) { return n === null ? "…" : n === 0 ? "0" : n < 10 ? n.toFixed(1) : count(Math.round(n)); }
function time(ms) {
  if (ms === null) return "–";
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`;
}
function ago(ms) {
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}
// The time of day of an entry, the same at each look.
function clock(kind, entry) {
  const key = `${kind} ${entry.number} ${entry.count || ""}`;
  if (!times.has(key)) {
    if (times.size > 4000) times.clear();
    times.set(key, new Date(Date.now() - entry.age_ms).toLocaleTimeString([], { hour12: false }));
  }
  return times.get(key);
}
// As Prometheus' histogram_quantile: within a bucket durations are spread evenly.
function quantile(share, below, bounds) {
  const all = below[below.length - 1];
  if (!all) return null;
  const wanted = share * all;
  const at = below.findIndex((n) => n >= wanted);
  if (at >= bounds.length) return bounds[bounds.length - 1];
  const [from, under] = at ? [bounds[at - 1], below[at - 1]] : [0, 0];
  return from + ((bounds[at] - from) * (wanted - under)) / (below[at] - under);
}
const total = (call) => call.below[call.below.length - 1];
const sum = (outcomes, names) => names.reduce((all, name) => all + (outcomes[name] || 0), 0);

// What happened since an earlier sample
function since(call, old, seconds, of = "calls") {
  const before = old && old[of].get(call.name);
  if (!before) return { rate: null, below: call.below, outcomes: call.outcomes };
  const below = call.below.map((n, at) => n - before.below[at]);
  const outcomes = Object.fromEntries(Object.entries(call.outcomes).map(([name, n]) => [name, n - (before.outcomes[name] || 0)]));
  return { rate: below[below.length - 1] / seconds, below, outcomes };
}
function remember(next) {
  samples.push({ at: performance.now() / 1000, routes: new Map(next.routes.map((route) => [route.name, route])), calls: new Map(next.calls.map((call) => [call.name, call])), limits: new Map(next.limits.map((limit) => [limit.name, limit])) });
  if (samples.length > KEPT) samples.shift();
}
function span(seconds) {
  const last = samples[samples.length - 1];
  const old = samples.find((sample) => last.at - sample.at <= seconds);
  return old === last ? [null, 0] : [old, last.at - old.at];
}

// Drawings
function spark(name, of = "calls") {
  const rates = [];
  for (let at = 1; at < samples.length; at++) {
    const [a, b] = [samples[at - 1][of].get(name), samples[at][of].get(name)];
    rates.push(a && b ? (total(b) - total(a)) / (samples[at].at - samples[at - 1].at) : 0);
  }
  const top = Math.max(1, ...rates), shift = KEPT - 1 - rates.length;
  const points = rates.map((n, at) => `${at ? "L" : "M"}${shift + at} ${(21 - (19 * n) / top).toFixed(1)}`);
  return svg("svg", { class: "spark", viewBox: `0 0 ${KEPT - 1} 22`, preserveAspectRatio: "none", "aria-hidden": "true" }, svg("path", { class: "base", d: `M0 21H${KEPT - 1}` }), svg("path", { d: points.join("") }));
}
function bar(kind, label, parts, width) {
  const drawn = svg("svg", { class: kind, viewBox: `0 0 ${width} 10`, preserveAspectRatio: "none", role: "img", "aria-label": label });
  drawn.append(svg("rect", { class: "fill-none", width, height: 10 }));
  for (const [from, to, fill] of parts) if (to > from) drawn.append(svg("rect", { class: `fill-${fill}`, x: from.toFixed(2), width: (to - from).toFixed(2), height: 10 }));
  return drawn;
}
function shares(outcomes) {
  const good = sum(outcomes, GOOD), refused = sum(outcomes, REFUSED), gone = outcomes.cancelled || 0;
  const all = Object.values(outcomes).reduce((a, b) => a + b, 0), bad = all - good - refused - gone;
  if (!all) return { label: "no calls", parts: [], bad: 0, all };
  let from = 0;
  const parts = [[good, "good"], [bad, "bad"], [refused, "warn"], [gone, "calm"]].map(([n, fill]) => { const part = [from, (from += (100 * n) / all), fill]; return part; });
  const percent = (n) => `${((100 * n) / all).toFixed(n && n < all ? 1 : 0)} %`;
  return { label: `${percent(good)} good, ${percent(bad)} failed, ${percent(refused)} refused`, parts, bad, all };
}
function line(circuit, current) {
  // As long as the service is up, from one minute to ten.
  const all = Math.min(LINE, Math.max(60, state.service.uptime_ms / 1000));
  const changes = state.transitions.filter((change) => change.circuit === circuit && change.age_ms < all * 1000);
  let to = all, now = current;
  const parts = [];
  for (const change of changes) {
    const from = all - change.age_ms / 1000;
    parts.push([from, to, STATES[now] || "calm"]);
    [to, now] = [from, change.from];
  }
  parts.push([Math.max(0, all - state.service.uptime_ms / 1000), to, STATES[now] || "calm"]);
  return bar("line", `${words(current)}, ${changes.length} changes in ${ago(all * 1000)}`, parts, all);
}

// Sections
const body = (id) => $(id).querySelector("tbody");
function section(id, items) {
  const some = items.length > 0;
  $(id).hidden = !some;
  const link = document.querySelector(`[data-of="${id}"]`);
  if (link) link.hidden = !some;
  return items.filter(fits);
}
function fits(item) {
  const wanted = $("filter").value.trim().toLowerCase();
  return !wanted || String(item.name ?? item.call ?? item.circuit ?? "").toLowerCase().includes(wanted);
}
const act = (label, of, open) => el("button", { type: "button", "aria-label": `${label} ${of}`, onclick: open }, label);

function showTop() {
  const is = state.service;
  put($("name"), is.name);
  document.title = `${is.name} · console`;
  const serving = is.stage === "Serving";
  put($("stage"), serving ? "serving" : words(is.stage.replace(/(.)([A-Z])/g, "$1-$2").toLowerCase()));
  $("stage").className = `badge ${serving ? "good" : "warn"}`;
  const fact = (label, value) => [`${label} `, el("b", {}, value), "   "];
  $("facts").replaceChildren(...fact("version", is.version), ...fact("commit", is.commit.slice(0, 12)), ...fact("up", ago(is.uptime_ms)));
  $("drain").disabled = !serving;
  if (canAct !== state.access.can_act) {
    canAct = state.access.can_act;
    document.body.classList.toggle("can-act", canAct);
    put($("sign"), canAct ? "Forget the token" : "Enter the token");
  }
  $("sign").hidden = !state.access.has_token;
  notice(state.access.has_token ? "" : "Read-only: to act here, set [admin] token, or HARDENING_ADMIN__TOKEN, to at least 16 characters.");
}
function notice(text) { put($("notice"), text); $("notice").hidden = !text; }

function showTiles() {
  const [old, seconds] = span(WINDOW);
  let all = 0, bad = 0, per = old ? 0 : null;
  for (const call of state.calls) {
    const recent = since(call, old, seconds), of = shares(recent.outcomes);
    all += of.all; bad += of.bad;
    if (old) per += recent.rate ?? 0;
  }
  const open = state.circuits.filter((circuit) => ["open", "forced_open", "half_open"].includes(circuit.state) || (circuit.states && (circuit.states.open || circuit.states.forced_open))).length;
  const down = state.checks.filter((check) => check.known && !check.up).length;
  const tiles = [
    ["calls a second", rate(per), ""],
    ["failed", all ? `${((100 * bad) / all).toFixed(1)} %` : "–", bad * 20 > all ? "bad" : bad ? "warn" : ""],
    ["requests in flight", count(state.service.requests_in_flight), ""],
    ["circuits not closed", `${open} of ${state.circuits.length}`, open ? "bad" : ""],
    ["checks down", `${down} of ${state.checks.length}`, down ? "bad" : ""],
    ["set in the console", count(state.overrides), state.overrides ? "warn" : ""],
  ];
  const list = $("tiles");
  tiles.forEach(([label, value, kind], at) => {
    const tile = list.children[at] || list.appendChild(el("div", {}, el("dt"), el("dd")));
    tile.className = kind;
    put(tile.firstChild, label);
    put(tile.lastChild, value);
  });
}
function showCalls() {
  const [old, seconds] = span(WINDOW);
  rows(body("calls"), state.calls.filter(fits), (call) => call.name, (call) => {
    let recent = since(call, old, seconds);
    const speed = recent.rate, idle = !total({ below: recent.below });
    if (idle) recent = since(call, null, 0);
    const of = shares(recent.outcomes), late = idle ? "n soft" : "n";
    const some = Object.entries(call.outcomes).sort((a, b) => b[1] - a[1]);
    return [
      { head: true, text: call.name, small: call.place },
      { text: rate(speed), kind: "n" },
      { kind: "wide", key: polls, make: () => spark(call.name) },
      { text: time(quantile(0.5, recent.below, state.bounds_ms)), kind: late },
      { text: time(quantile(0.99, recent.below, state.bounds_ms)), kind: late },
      { text: count(call.in_flight), kind: "n" },
      { key: of.label, make: () => bar("share", of.label, of.parts, 100) },
      { key: JSON.stringify(some), make: () => el("div", { class: "chips" }, ...(some.length ? some.map(([name, n]) => el("span", { class: GOOD.includes(name) ? "" : REFUSED.includes(name) ? "warn-text" : name === "cancelled" ? "soft" : "bad-text" }, el("b", {}, count(n)), ` ${words(name)}`)) : [el("span", { class: "soft" }, "not called yet")])) },
    ];
  });
}
// Statuses of HTTP, and those of gRPC, in which only a few are the service's fault.
function kindOf(status) {
  if (/^[123]|^OK$/.test(status)) return "good";
  if (status === "503" || status === "429" || status === "UNAVAILABLE" || status === "RESOURCE_EXHAUSTED") return "warn";
  return /^5|^UNKNOWN$|^INTERNAL$|^DATA_LOSS$/.test(status) ? "bad" : "calm";
}
function answerShares(answers) {
  const all = Object.values(answers).reduce((a, b) => a + b, 0);
  if (!all) return { label: "no requests", parts: [] };
  const of = (kind) => Object.entries(answers).filter(([status]) => kindOf(status) === kind).reduce((n, [, count]) => n + count, 0);
  const percent = (n) => `${((100 * n) / all).toFixed(n && n < all ? 1 : 0)} %`;
  let from = 0;
  const parts = ["good", "bad", "warn", "calm"].map((kind) => { const part = [from, (from += (100 * of(kind)) / all), kind]; return part; });
  return { label: `${percent(of("good"))} good, ${percent(of("bad"))} failed, ${percent(of("warn"))} refused, ${percent(of("calm"))} the client's`, parts };
}
function showRoutes() {
  const [old, seconds] = span(WINDOW);
  const classes = { good: "", warn: "warn-text", bad: "bad-text", calm: "soft" };
  rows(body("routes"), section("routes", state.routes), (route) => route.name, (route) => {
    let recent = since(route, old, seconds, "routes");
    const speed = recent.rate, idle = !total({ below: recent.below });
    if (idle) recent = since(route, null, 0, "routes");
    const of = answerShares(recent.outcomes), late = idle ? "n soft" : "n";
    const some = Object.entries(route.outcomes).sort((a, b) => b[1] - a[1]);
    const limits = Object.entries(route.limits);
    return [
      { head: true, text: route.name },
      { text: rate(speed), kind: "n" },
      { kind: "wide", key: polls, make: () => spark(route.name, "routes") },
      { text: time(quantile(0.5, recent.below, state.bounds_ms)), kind: late },
      { text: time(quantile(0.99, recent.below, state.bounds_ms)), kind: late },
      { text: count(route.in_flight), kind: "n" },
      { key: of.label, make: () => bar("share", of.label, of.parts, 100) },
      { key: JSON.stringify(some), make: () => el("div", { class: "chips" }, ...(some.length ? some.map(([status, n]) => el("span", { class: classes[kindOf(status)] }, el("b", {}, count(n)), ` ${words(status)}`)) : [el("span", { class: "soft" }, "no request yet")])) },
      { key: JSON.stringify(limits), make: () => el("div", { class: "chips" }, ...limits.map(([key, limit]) => el("span", { class: limit.own ? "" : "soft" }, `${words(key)} `, el("b", {}, limit.value)))) },
    ];
  });
  rows(body("upgraded"), section("upgraded", state.upgraded.map((one) => ({ ...one, name: one.route }))), (one) => `${one.protocol} ${one.route}`, (one) => [
    { head: true, text: one.route }, one.protocol, { text: count(one.count), kind: "n" },
  ]);
  rows(body("lingering"), section("lingering", state.lingering.map((one) => ({ ...one, name: one.what }))), (one) => one.what, (one) => [
    { head: true, text: one.what }, { text: count(one.count), kind: "n" },
  ]);
}
function showCircuits() {
  rows(body("circuits"), section("circuits", state.circuits), (circuit) => circuit.name, (circuit) => {
    const keyed = circuit.kind === "keyed", adaptive = circuit.kind === "adaptive";
    const states = keyed ? Object.entries(circuit.states) : [];
    const current = keyed ? (states.length === 1 ? states[0][0] : "closed") : circuit.state;
    const last = state.transitions.find((change) => change.circuit === circuit.name);
    const shown = !circuit.on ? badge("switched off", "warn") : adaptive ? badge("adaptive") : null;
    return [
      { head: true, text: circuit.name, small: circuit.path[0] === "policy" ? "shared" : keyed ? "one for each key" : "" },
      { key: JSON.stringify([circuit.state, states, circuit.on]), make: () => shown || (keyed ? (states.length ? states.map(([name, n]) => badge(`${n} ${words(name)}`, STATES[name])) : badge("no keys yet")) : badge(words(circuit.state), STATES[circuit.state])) },
      { kind: "wide", key: polls, make: () => (adaptive ? "" : line(circuit.name, current)) },
      { text: adaptive ? count(circuit.allowed + circuit.refused) : keyed ? "–" : count(circuit.calls), kind: "n" },
      { text: adaptive ? `${count(circuit.refused)} refused` : keyed ? "–" : count(circuit.failed), kind: "n" },
      { text: adaptive || keyed ? "–" : count(circuit.slow), kind: "n" },
      { text: last ? `${words(last.from)} → ${words(last.to)}, ${ago(last.age_ms)} ago` : "none", kind: "soft" },
      { kind: "acting", key: adaptive, make: () => (adaptive ? "" : act("Change…", circuit.name, () => changeCircuit(circuit.name))) },
    ];
  });
}
function showLimits() {
  const [old, seconds] = span(WINDOW);
  rows(body("limits"), section("limits", state.limits), (limit) => limit.name, (limit) => {
    const before = old && old.limits.get(limit.name), refused = before ? (limit.refused - before.refused) / seconds : null;
    return [
      { head: true, text: limit.name, small: !limit.on ? "switched off" : limit.path[0] === "policy" ? "shared" : "" },
      { text: limit.rate, kind: "n" },
      { text: count(limit.burst), kind: "n" },
      { text: limit.keyed ? count(limit.keys) : "–", kind: "n" },
      { text: count(limit.allowed), kind: "n" },
      { text: count(limit.refused) + (limit.overflow ? ` (${count(limit.overflow)} shared)` : ""), kind: limit.refused ? "n warn-text" : "n" },
      { text: rate(refused), kind: refused ? "n warn-text" : "n" },
      { kind: "acting", key: 1, make: () => act("Change…", limit.name, () => change(limit.name, find("limits", limit.name), ["rate", "burst"])) },
    ];
  });
}
function showBulkheads() {
  rows(body("bulkheads"), section("bulkheads", state.bulkheads), (one) => one.name, (one) => {
    const share = one.places ? Math.min(100, (100 * one.running) / one.places) : 0, fill = share >= 100 ? "bad" : share >= 80 ? "warn" : "good";
    return [
      { head: true, text: one.name, small: !one.on ? "switched off" : one.adaptive ? "adaptive" : one.keyed ? "one for each key" : one.path[0] === "policy" ? "shared" : "" },
      { key: share + fill, make: () => bar("share", `${Math.round(share)} % taken`, [[0, share, fill]], 100) },
      { text: count(one.running), kind: "n" },
      { text: one.on ? count(one.places) : "no bound", kind: "n" },
      { text: count(one.waiting), kind: one.waiting ? "n warn-text" : "n" },
      { text: count(one.queue), kind: "n" },
      { text: one.max_wait ?? "–", kind: "n" },
      { kind: "acting", key: 1, make: () => act("Change…", one.name, () => change(one.name, find("bulkheads", one.name), ["max", "queue"])) },
    ];
  });
}
const find = (kind, name) => state[kind].find((item) => item.name === name);
function showChecks() {
  const decides = { ready: "readiness", degraded: "nothing, it reports", startup: "the start" };
  rows(body("checks"), section("checks", state.checks), (check) => check.name, (check) => {
    const [text, kind] = !check.known ? ["not run yet", ""] : check.up ? ["up", "good"] : ["down", "bad"];
    return [
      { head: true, text: check.name },
      { key: text + check.stale, make: () => [badge(text, kind), ...(check.stale ? [badge("stale", "warn")] : [])] },
      decides[check.kind] || check.kind,
      { text: check.age_ms === null ? "–" : `${ago(check.age_ms)} ago`, kind: "time" },
      { text: check.error || "", kind: "text bad-text" },
    ];
  });
  rows(body("tasks"), section("tasks", state.tasks), (task) => task.name, (task) => [
    { head: true, text: task.name },
    { key: task.state, make: () => badge(words(task.state), task.up ? "good" : task.state === "waiting" ? "warn" : "bad") },
    { text: count(task.restarts), kind: "n" },
    { text: task.error || "", kind: "text bad-text" },
  ]);
}
function showEvents() {
  rows($("transitions").tBodies[0], state.transitions.filter(fits).slice(0, 100), (change) => change.number, (change) => [
    { text: clock("t", change), kind: "time" },
    { text: change.circuit, kind: "text" },
    { key: change.to, make: () => [badge(words(change.from), STATES[change.from]), " → ", badge(words(change.to), STATES[change.to])] },
  ]);
  rows($("refusals").tBodies[0], state.refusals.filter(fits).slice(0, 100), (refused) => refused.number, (refused) => [
    { text: clock("r", refused), kind: "time" },
    { text: refused.call, kind: "text" },
    words(refused.kind),
    { text: count(refused.count), kind: "n" },
  ]);
  rows(body("audit"), state.audit.slice(0, 100), (record) => record.number, (record) => [
    { text: clock("a", record), kind: "time" },
    words(record.action),
    { key: record.result, make: () => badge(record.result, { applied: "good", refused: "warn", denied: "bad" }[record.result]) },
    { text: record.what, kind: "text" },
    { text: record.why || (record.was || record.now ? `${record.was || "–"} → ${record.now || "–"}` : ""), kind: "text" },
    { text: record.who, small: record.client },
    { text: record.request_id, kind: "mono text" },
  ]);
}

// Configuration
function origin(value) { return { key: value.origin, kind: "text", make: () => (value.source === "console" ? badge("console", "warn") : value.source === "default" ? el("span", { class: "soft" }, "default") : el("span", { class: value.source === "attribute" ? "soft mono" : "mono" }, value.origin)) }; }
function group(id, title, small) {
  let made = [...$("groups").children].find((known) => known.dataset.key === id);
  if (!made) {
    const table = el("table", {}, el("caption", { class: "unseen" }, title), heads("Key|Value|Origin|Actions!"), el("tbody"));
    made = el("details", {}, el("summary", {}, title, el("small", {}, small)), el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": title }, table));
    made.dataset.key = id;
    $("groups").append(made);
  }
  made.dataset.name = title;
  return made.querySelector("tbody");
}
function showConfiguration() {
  const all = configuration;
  for (const name of new Set(all.settings.map((setting) => setting.section))) {
    rows(group(`s ${name}`, `[${name}]`, "of the service; changes come into force with a start"), all.settings.filter((setting) => setting.section === name), (setting) => setting.key, (setting) => [
      { head: true, text: setting.key, small: plain(setting.doc) },
      { text: setting.value || "–", small: setting.waits === null ? "" : `with the next start: ${setting.waits}`, kind: "mono text" },
      origin(setting), { text: "", kind: "acting" },
    ]);
  }
  for (const kind of ["policies", "calls"]) for (const call of all[kind]) {
    if (!call.policies.length) continue;
    const lines = [];
    for (const policy of call.policies) {
      if (policy.shared) { lines.push({ key: policy.policy, value: `shared: ${policy.shared}`, origin: call.place, source: "attribute" }); continue; }
      lines.push({ key: policy.policy, policy, value: policy.on ? "on" : "off", origin: policy.switched_by || call.place, source: policy.switched_here ? "console" : policy.switched_by ? "file" : "attribute" });
      for (const value of policy.values) lines.push({ ...value, key: `${policy.policy}.${value.key}`, of: policy });
    }
    rows(group(`${kind} ${call.name}`, call.name, `${kind === "calls" ? "call" : "shared policy"} · ${call.place}`), lines, (one) => one.key, (one) => [
      { head: true, text: one.key, small: plain(one.doc) },
      { text: one.value === "" ? "–" : one.value, small: one.source === "console" && one.configured !== undefined ? `configured: ${one.configured}` : "", kind: "mono text" },
      origin(one),
      { kind: "acting", key: JSON.stringify([one.value, one.source]), make: () => actions(call.name, one) },
    ]);
  }
  $("overrides").hidden = !all.overrides.length;
  rows(body("overrides"), all.overrides, (override) => override.path.join("."), (override) => [
    { head: true, text: override.path.slice(1).join(" · ") || override.path.join(".") },
    { text: override.value, kind: "mono text" },
    { text: override.configured ?? "breaks a rule", kind: "mono text" },
    { kind: "acting", key: 1, make: () => act("Reset…", override.path.slice(1).join(" "), () => unset(override.path)) },
  ]);
  filterGroups();
}
function filterGroups() {
  const wanted = $("filter").value.trim().toLowerCase();
  for (const one of $("groups").children) one.hidden = wanted !== "" && !one.dataset.name.toLowerCase().includes(wanted);
}
function actions(call, one) {
  const made = [];
  if (one.policy && one.policy.switch) {
    const on = one.policy.on;
    made.push(act(on ? "Switch off…" : "Switch on…", `${one.key} of ${call}`, () => ask({
      title: `${on ? "Switch off" : "Switch on"} ${one.key} of ${call}?`, danger: on, confirm: on ? "Switch off" : "Switch on",
      text: on ? "Calls go on without this policy until it is switched on again." : "The policy comes into force again.",
      run: () => send("set", { path: one.policy.switch, value: !on }),
    })));
    if (one.policy.switched_here) made.push(act("Reset…", `${one.key} of ${call}`, () => unset(one.policy.switch)));
  } else if (one.path && one.of.on) {
    made.push(act("Change…", `${one.key} of ${call}`, () => ask({
      title: `Change ${one.key} of ${call}`, text: plain(one.doc), confirm: "Apply",
      fields: [{ name: "value", label: one.key, value: one.value, hint: plain(one.form) }],
      run: (given) => send("set", { path: one.path, value: given.value }),
    })));
    if (one.source === "console") made.push(act("Reset…", `${one.key} of ${call}`, () => unset(one.path)));
  }
  return made;
}

// Actions
function unset(path) {
  ask({ title: "Reset to configured?", text: `${path.join(" · ")} gets the value that the file, the environment or the attribute gives it.`, confirm: "Reset", run: () => send("unset", { path }) });
}
function changeCircuit(name) {
  const circuit = find("circuits", name), modes = [
    ["automatic", "Automatic", "The circuit decides by what it counts."],
    ["forced_open", "Force open", "Every call is refused until this is changed."],
    ["disabled", "Disable", "Every call passes, and nothing is counted."],
    ["metrics_only", "Metrics only", "Every call passes; what the circuit would do is counted."],
    ["close", "Close now", "It closes with an empty window, once, and goes on by what it counts."],
    ["reset", "Reset", "It closes with an empty window, in the mode that is configured."],
  ];
  ask({
    title: `Change the circuit ${name}`, text: `It is ${words(circuit.state || "kept for each key")}, in mode ${words(circuit.mode || "switched off")}.`, confirm: "Apply",
    choices: modes, chosen: circuit.mode || "automatic",
    run: ({ choice }) => (choice === "close" || choice === "reset" ? send(choice, { circuit: name }) : send("set", { path: [...circuit.path, "mode"], value: choice })),
  });
}
function change(name, item, keys) {
  ask({
    title: `Change ${name}`, text: "What is set here is in force at once and lost when the process ends.", confirm: "Apply",
    fields: keys.map((key) => ({ name: key, label: key, value: String(item[key] ?? "") })),
    run: async (given) => { for (const key of keys) if (given[key] !== String(item[key] ?? "")) await send("set", { path: [...item.path, key], value: given[key] }); },
  });
}
let running = null;
function ask(asked) {
  running = asked;
  put($("dialog-title"), asked.title);
  put($("dialog-text"), asked.text || "");
  put($("wrong"), "");
  put($("confirm"), asked.confirm);
  $("confirm").className = asked.danger ? "main danger" : "main";
  $("confirm").disabled = false;
  const fields = (asked.fields || []).map((field) => el("label", { class: "field" }, words(field.label), el("input", { name: field.name, type: field.secret ? "password" : "text", value: field.value || "", autocomplete: field.secret ? "current-password" : "off", spellcheck: "false" }), ...(field.hint ? [el("small", {}, field.hint)] : [])));
  if (asked.choices) fields.push(el("fieldset", {}, el("legend", {}, "What it does from now on"), ...asked.choices.map(([value, label, doc]) => el("div", { class: "choice" }, el("input", { type: "radio", name: "choice", id: `choice-${value}`, value, checked: value === asked.chosen, "aria-describedby": `doc-${value}` }), el("label", { for: `choice-${value}` }, label), el("small", { id: `doc-${value}` }, doc)))));
  $("fields").replaceChildren(...fields);
  $("dialog").showModal();
  const first = $("fields").querySelector("input:checked, input:not([type=radio])");
  (first || $(asked.danger ? "cancel" : "confirm")).focus();
}
$("cancel").addEventListener("click", () => $("dialog").close());
// The word that it closed comes later, and it may be open again by then.
$("dialog").addEventListener("close", () => { if (!$("dialog").open) $("fields").replaceChildren(); });
$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if ($("confirm").disabled) return;
  const given = Object.fromEntries(new FormData($("form")));
  $("confirm").disabled = true;
  put($("wrong"), "");
  try {
    await running.run(given);
    $("dialog").close();
    if (running.done) running.done();
  } catch (problem) {
    put($("wrong"), problem.message);
  }
  $("confirm").disabled = false;
});
async function call(method, path, asked, known = token) {
  const headers = { accept: "application/json" };
  if (known) headers.authorization = `Bearer ${known}`;
  if (asked) headers["content-type"] = "application/json";
  const answer = await fetch(`/console/api/${path}`, { method, headers, body: asked && JSON.stringify(asked), cache: "no-store", credentials: "omit", redirect: "error", signal: AbortSignal.timeout(8000) });
  const read = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(read.detail || read.title || `The service answers ${answer.status}.`), { status: answer.status });
  return read;
}
async function send(action, asked) {
  const done = await call("POST", `actions/${action}`, asked);
  say(`Done: ${words(action)} ${done.what || ""}${done.now ? `, now ${done.now}` : ""}`);
  look();
  return done;
}
function say(text) { put($("said"), text); }
$("sign").addEventListener("click", () => {
  if (canAct) { token = ""; sessionStorage.removeItem("hardening-token"); say("The token is forgotten."); look(); return; }
  enter();
});
function enter() {
  ask({
    title: "Enter the admin token", text: "It stays in this tab until the tab is closed, and is sent to this service alone.", confirm: "Use it",
    fields: [{ name: "token", label: "Token", secret: true }],
    run: async (given) => {
      const tried = given.token.trim();
      if (!tried) throw new Error("Write the token.");
      if (!/^[\x21-\x7e]+$/.test(tried)) throw new Error("This is not the token: it has other characters than a token can have.");
      await call("POST", "actions/verify", {}, tried);
      token = tried;
      sessionStorage.setItem("hardening-token", token);
      say("The token is right: actions are possible.");
      look();
    },
    done: () => $("sign").focus(),
  });
}
$("drain").addEventListener("click", () => ask({
  title: `Drain ${state.service.name}?`, danger: true, confirm: "Drain", text: "The service turns unready, finishes what it has and exits, as after SIGTERM. This cannot be taken back.",
  run: () => send("drain", {}),
}));
$("unset-all").addEventListener("click", () => ask({
  title: "Reset everything to configured?", danger: true, confirm: "Reset all", text: "Every value set in the console is taken back.", run: () => send("unset_all", {}),
}));
$("filter").addEventListener("input", () => { if (state) { show(); filterGroups(); } });

// Looking
function announce(before) {
  if (!before) return;
  const news = [], last = before.transitions.length ? before.transitions[0].number : -1;
  for (const change of state.transitions) if (change.number > last) news.push(`circuit ${change.circuit}: ${words(change.to)}`);
  if (state.service.stage !== before.service.stage) news.push(`the service is ${$("stage").textContent}`);
  for (const check of state.checks) {
    const old = before.checks.find((known) => known.name === check.name);
    if (old && old.known && old.up !== check.up) news.push(`check ${check.name} is ${check.up ? "up" : "down"}`);
  }
  if (news.length) say(news.slice(0, 4).join("; "));
}
function show() { showTop(); showTiles(); showCalls(); showRoutes(); showCircuits(); showLimits(); showBulkheads(); showChecks(); showEvents(); }
let timer = 0, looking = false, again = false;
async function look() {
  clearTimeout(timer);
  if (looking) { again = true; return; }
  looking = true;
  try {
    const next = await call("GET", "state"), before = state;
    if (before && next.service.uptime_ms < before.service.uptime_ms) { samples = []; times.clear(); revision = -1; }
    state = next;
    polls++;
    remember(next);
    show();
    announce(before);
    link("live", "live");
    if (next.revision !== revision) { configuration = await call("GET", "configuration"); revision = configuration.revision; showConfiguration(); }
  } catch (problem) {
    if (problem.status === 401) {
      if (token) { token = ""; sessionStorage.removeItem("hardening-token"); }
      link("lost", "locked");
      notice(problem.message);
      $("sign").hidden = false;
    } else if (problem.status) { link("lost", "refused"); notice(problem.message); }
    else link("lost", state && state.service.stage !== "Serving" ? "the service has ended" : "no answer");
  }
  looking = false;
  timer = setTimeout(look, again ? 0 : polls === 1 ? 400 : document.hidden ? 5000 : 1000);
  again = false;
}
function link(kind, text) {
  const lost = kind === "lost";
  if (lost && !document.body.classList.contains("gone")) say(`The console is not connected: ${text}.`);
  document.body.classList.toggle("gone", lost);
  $("link").className = `link ${kind}`;
  put($("link"), text);
}
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
look();

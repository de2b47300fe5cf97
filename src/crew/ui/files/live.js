"use strict";
// What comes by the stream was written by models, providers and repositories: it gets
// into the page as text alone, never as HTML.
const token = new URLSearchParams(location.search).get("token") || "";
const SVG = "http://www.w3.org/2000/svg";
const state = { clock: 0, heard: {}, waiting: {} };

function node(name, attributes, ...children) {
  const svg = ["svg", "rect"].includes(name);
  const made = svg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "width" && !svg) made.style.width = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === "") continue;
    made.append(child instanceof Node ? child : String(child));
  }
  return made;
}

// Changes the old tree into the new one and keeps what stays the same: focus, selection
// and open details are the reader's.
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName ||
      (old.dataset && old.dataset.key !== fresh.dataset.key)) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name === "style") old.style.width = fresh.style.width;
    else if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  place(old, [...fresh.childNodes]);
}

function place(parent, children) {
  const keyed = new Map();
  for (const child of parent.children) {
    if (child.dataset && child.dataset.key) keyed.set(child.dataset.key, child);
  }
  children.forEach((fresh, index) => {
    const key = fresh.dataset && fresh.dataset.key;
    const there = parent.childNodes[index];
    const known = key && keyed.get(key);
    if (known && known !== there) parent.insertBefore(known, there || null);
    const old = parent.childNodes[index];
    if (old) morph(old, fresh);
    else parent.append(fresh);
  });
  while (parent.childNodes.length > children.length) parent.lastChild.remove();
}

function show(id, ...children) {
  const fresh = node("div", {}, ...children);
  place(document.getElementById(id), [...fresh.childNodes]);
}

// Figures as people read them.
const now = () => Date.now() / 1000 + state.clock;
const count = (number) => Number(number).toLocaleString("en-US");
const percent = (share) => share === null || share === undefined
  ? "unknown" : (100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0) + " %";
const epoch = (at) => typeof at === "string" ? Date.parse(at) / 1000 : at;

function short(number) {
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (number >= size) return (number / size).toFixed(number >= 100 * size ? 0 : 1) + unit;
  }
  return String(number);
}

function usd(amount, unknown) {
  if (amount === null || amount === undefined) return "unknown";
  const tiny = amount > 0 && amount < 0.01;
  const text = tiny ? amount.toFixed(Math.min(9, 3 - Math.floor(Math.log10(amount))))
    : amount.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 4 });
  return "$" + text + (unknown ? "+" : "");
}

function lasts(seconds) {
  const left = Math.max(0, Math.ceil(seconds));
  for (const [size, unit, small, name] of [[86400, "d", 3600, "h"], [3600, "h", 60, "min"]]) {
    if (left >= size) {
      return Math.floor(left / size) + " " + unit + " " + Math.floor(left % size / small) + " " + name;
    }
  }
  return left >= 60 ? Math.floor(left / 60) + " min " + left % 60 + " s" : left + " s";
}

function moment(at) {
  if (at === null || at === undefined) return "";
  const date = new Date(epoch(at) * 1000);
  const time = { hour: "2-digit", minute: "2-digit" };
  const near = Math.abs(epoch(at) - now()) < 20 * 3600;
  return near ? date.toLocaleTimeString([], time)
    : date.toLocaleString([], { month: "short", day: "numeric", ...time });
}

// A span of time that goes on by itself, without a message.
function since(at) {
  return node("span", { "data-since": at }, lasts(now() - at));
}
function until(at) {
  return node("span", { "data-until": epoch(at) }, lasts(epoch(at) - now()));
}
setInterval(() => {
  for (const one of document.querySelectorAll("[data-since]")) {
    one.textContent = lasts(now() - Number(one.dataset.since));
  }
  for (const one of document.querySelectorAll("[data-until]")) {
    one.textContent = lasts(Number(one.dataset.until) - now());
  }
}, 1000);

function table(label, heads, rows) {
  const head = heads.map((title) => title.endsWith(">")
    ? node("th", { scope: "col", class: "n" }, title.slice(0, -1))
    : node("th", { scope: "col" }, title));
  const body = rows.map((cells) => node("tr", {}, cells.map((cell, index) =>
    cell instanceof Element && cell.tagName === "TD" ? cell
      : node("td", { class: heads[index].endsWith(">") ? "n" : "text" }, cell))));
  return node("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    node("table", {}, node("thead", {}, node("tr", {}, head)), node("tbody", {}, body)));
}
const badge = (text) => node("span", { class: "badge " + String(text).replace(/[^a-z]/g, "-") }, text);
const many = (number, word) => count(number) + " " + word + (number === 1 ? "" : "s");
const soft = (text) => node("p", { class: "soft" }, text);
const trouble = (text) => node("p", { class: "bad" }, "This cannot be read now: ", text);

function figures(run) {
  const saved = run.saved === null || run.saved === undefined ? null
    : [", ", run.saved < 0 ? "costs more by " : "saved ", node("b", {}, percent(Math.abs(run.saved)))];
  return node("p", { class: "figures" },
    node("b", {}, many(run.calls, "call")),
    run.failed ? [" (", node("span", { class: "warn" }, count(run.failed) + " failed"), ")"] : null,
    ", ", node("b", {}, short(run.input_tokens)), " tokens in, ",
    node("b", {}, short(run.output_tokens)), " out, ",
    node("b", {}, usd(run.usd, run.unknown_costs)), saved,
    " (all on the senior tier: ", usd(run.senior_usd), ")");
}

function link(run) {
  const address = "runs/" + encodeURIComponent(run) + "?token=" + encodeURIComponent(token);
  return node("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, run);
}

function tasks(run) {
  if (!run.tasks.length) return soft("No task has begun.");
  return table("Tasks of " + run.run,
    ["Task", "State", "Role", "Deployments", "Calls>", "Tokens>", "Cost>", "Why, and what it does"],
    run.tasks.map((task) => {
      const more = Object.entries(task.checks || {}).map(([name, passed]) =>
        node("span", { class: passed ? "good" : "bad" }, " check " + name + (passed ? " passed" : " FAILED") + "."));
      return [
        task.name === null ? "(between tasks)" : task.name,
        [task.state ? badge(task.state) : "", task.attempt > 1 ? " attempt " + task.attempt + "," : "",
          task.began_at ? [" ", since(task.began_at)] : task.seconds ? " " + lasts(task.seconds) : ""],
        task.role, task.deployments.join(", "), count(task.calls),
        short(task.input_tokens + task.output_tokens), usd(task.usd, task.unknown_costs),
        node("td", { class: "why" }, task.doing ? task.doing + ". " : "", task.why, more),
      ];
    }));
}

const sections = {
  working(data) {
    if (data.trouble) return show("working", trouble(data.trouble));
    if (!data.runs.length) return show("working", node("p", { class: "soft" }, "No run works now. ", node("code", {}, "crew run"), " begins one, and it appears here."));
    show("working", data.runs.map((run) => node("div", { class: "card", "data-key": run.run },
      node("h3", {}, link(run.run), " ", badge(run.status), run.rehearsal ? " rehearsal" : "", " ",
        since(run.started_at)),
      run.request ? node("p", {}, run.request) : null,
      figures(run),
      run.waits.map((wait) => node("p", { class: "warn" }, wait.role, " waits for ", wait.deployment,
        ", at most ", until(wait.until), ": ", wait.reason)),
      tasks(run))));
  },

  ended(data) {
    if (data.trouble) return show("ended", trouble(data.trouble));
    if (!data.runs.length) return show("ended", soft("No run has ended yet."));
    show("ended", data.runs.map((run) => node("details", { class: "run", "data-key": run.run },
      node("summary", {}, node("span", {}, run.run), badge(run.status),
        node("span", { class: "text" }, run.rehearsal ? "(rehearsal) " : "", run.request || run.deployments.join(", ")),
        node("span", { class: "figures" }, run.seconds === null ? "" : lasts(run.seconds), ", ",
          usd(run.usd, run.unknown_costs))),
      run.why ? node("p", { class: "bad" }, run.why) : null,
      figures(run),
      node("p", {}, "Began ", moment(run.started_at), ". The whole report: ", link(run.run)),
      tasks(run))),
    node("p", { class: "soft" }, "The latest " + data.most + " at most; ", node("code", {}, "crew runs"), " lists all."));
  },

  limits(data) {
    if (data.trouble) return show("limits", trouble(data.trouble));
    const holds = data.holds.map((hold) => node("li", { class: "warn" }, node("span", {}, hold.pool, ": ",
      hold.cooldown ? ["closed, ", hold.cooldown] : "",
      hold.share !== null ? "throttled to " + percent(hold.share) : "",
      hold.waiting ? count(hold.waiting) + " waiting" : "",
      hold.until ? [", opens in ", until(hold.until), " at " + moment(hold.until)] : "")));
    const plans = data.plans.map((plan) => soft(plan.provider + " is on the plan " + plan.plan + ": " + plan.reason));
    if (!data.nearest.length) return show("limits", soft("No limit is set."), node("ul", { class: "list" }, holds), plans);
    show("limits",
      holds.length ? node("ul", { class: "list" }, holds) : null,
      table("Limits, what is nearest to its end first",
        ["Of", "Limit", "Used", "Left>", "At this rate", "Resets"],
        data.nearest.map((one) => [one.pool, one.limit, level(one), amount(one, one.left), forecast(one),
          one.resets_at ? [moment(one.resets_at), " (in ", until(one.resets_at), ")"] : ""])),
      plans);
  },

  month(data) {
    if (data.trouble) return show("month", trouble(data.trouble));
    const { today, month, days, budgets } = data;
    if (!month.calls) return show("month", soft("No call was made this month."));
    const facts = [["Spent", usd(month.usd, month.unknown_costs)], ["Today", usd(today.usd, today.unknown_costs)],
      ["All on the senior tier", usd(month.cost_all_senior_usd)],
      ["Saved", month.saved === null ? "unknown" : percent(month.saved)],
      ["Free: calls", percent(month.free_calls)], ["Free: money", percent(month.free_usd)],
      ["Calls", count(month.calls)]];
    show("month",
      node("dl", { class: "facts" }, facts.map(([name, text]) => node("div", {}, node("dt", {}, name), node("dd", {}, text)))),
      bars(days),
      node("details", { "data-key": "days" }, node("summary", {}, "The same as a table"),
        table("Spend by day", ["Day", "Calls>", "Free calls>", "Spent>", "All on the senior tier>"],
          days.map((day) => [day.day, count(day.calls), percent(day.free_calls), usd(day.usd, day.unknown_costs),
            usd(day.cost_all_senior_usd)]))),
      budgets.length ? [node("h3", {}, "Budgets"),
        table("Budgets", ["Budget", "Limit", "Used", "Left>"],
          budgets.map((one) => [one.pool, one.limit, level(one), amount(one, one.left)]))] : null);
  },

  keys(data) {
    if (data.trouble) return show("keys", trouble(data.trouble));
    const tones = { works: "good", fails: "bad", "not used": "soft", "not tried": "soft" };
    show("keys", table("Keys by provider", ["Provider", "Key", "State", "Last answer", "Calls>", "Failed>"],
      data.providers.map((one) => [one.provider,
        [one.key, one.variable ? " (" + one.variable + ")" : ""],
        node("td", { class: tones[one.state] }, one.state === "fails" ? "fails since " + moment(one.since) + ": " + one.why : one.state),
        moment(one.answered_at), count(one.calls), count(one.failed)])));
  },

  queue(data) {
    if (data.trouble) return show("queue", trouble(data.trouble));
    if (!data.waiting.length && !data.waits.length) {
      return show("queue", soft("No call waits." + (data.in_flight ? " " + count(data.in_flight) + " in flight." : "")));
    }
    show("queue", node("ul", { class: "list" },
      data.waiting.map((one) => node("li", { class: "warn" }, node("span", {}, count(one.waiting) + " waiting for " + one.pool))),
      data.waits.map((one) => node("li", { class: "warn" }, node("span", {}, one.role, " in ", one.run, " waits for ",
        one.deployment, ", at most ", until(one.until), ": ", one.reason)))),
      data.in_flight ? soft(count(data.in_flight) + " in flight.") : null);
  },

  notices(data) {
    if (data.trouble) {
      document.getElementById("s-alerts").hidden = false;
      return show("alerts", trouble(data.trouble));
    }
    const alerts = data.alerts || [];
    document.getElementById("s-alerts").hidden = !alerts.length;
    show("alerts", node("ul", { class: "list" }, alerts.map((one) => node("li", { class: "bad" },
      node("span", {}, one.text), node("span", { class: "soft" }, " (" + one.kind + ", since " + moment(one.raised_at) + ")")))));
  },

  benches(data) {
    const benches = data.benches || [];
    document.getElementById("s-benches").hidden = !benches.length && !data.trouble;
    show("benches", data.trouble ? trouble(data.trouble) : node("ul", { class: "list" }, benches.map((one) =>
      node("li", { class: "warn" }, node("span", {}, one.deployment, " is out of use for ", until(one.until), ": ", one.reason,
        " (crew bench --lift " + one.deployment + ")")))));
  },
};

function amount(one, value) {
  return one.metric === "usd" ? usd(value) : count(value);
}

function level(one) {
  const tone = one.closed || one.share >= 1 ? "bad" : one.share >= 0.8 ? "warn" : "";
  return node("div", { class: "level " + tone },
    node("span", { class: "box", "aria-hidden": "true" },
      node("span", { class: "fill", width: Math.min(100, 100 * one.share).toFixed(1) + "%" })),
    node("span", { class: "n" }, percent(one.share)));
}

function forecast(one) {
  if (one.closed) return node("td", { class: "bad" }, one.closed);
  return one.empty_at ? node("td", { class: "warn" }, "empty at " + moment(one.empty_at)) : "";
}

function bars(days) {
  const top = Math.max(...days.map((day) => Math.max(day.usd, day.cost_all_senior_usd)));
  if (!(top > 0)) return soft("Nothing was spent.");
  const width = 1000 / days.length;
  const bar = (at, value, kind) => node("rect", { class: kind, x: (at * width).toFixed(1),
    width: (width * 0.4).toFixed(1), y: (240 - 215 * value / top).toFixed(1), height: (215 * value / top).toFixed(1) });
  return [
    node("ul", { class: "legend", "aria-label": "Bars" },
      node("li", {}, node("span", { class: "swatch spent" }), "spent"),
      node("li", {}, node("span", { class: "swatch senior" }), "all on the senior tier")),
    node("figure", { class: "chart bars" }, node("span", { class: "top" }, usd(top)),
      node("svg", { viewBox: "0 0 1000 240", preserveAspectRatio: "none", role: "img", "aria-label": "Spend by day" },
        days.map((day, index) => [bar(index + 0.1, day.usd, "spent"),
          bar(index + 0.5, day.cost_all_senior_usd, "senior")])),
      node("span", { class: "from" }, days[0].day), node("span", { class: "to" }, days[days.length - 1].day)),
  ];
}

function say(text, bad) {
  const line = document.getElementById("line");
  if (line.textContent !== text) line.textContent = text;
  line.classList.toggle("bad", Boolean(bad));
}

function summary() {
  const working = state.heard.working && state.heard.working.runs;
  const alerts = state.heard.notices && state.heard.notices.alerts;
  say(["live", working ? many(working.length, "run") + " at work" : "",
    alerts && alerts.length ? many(alerts.length, "alert") : ""].filter(Boolean).join(", "));
}

// Hidden pages hold no connection: browsers allow few, and nobody reads them.
let source = null;
function listen() {
  if (source || document.hidden) return;
  source = new EventSource("events?token=" + encodeURIComponent(token));
  source.addEventListener("open", summary);
  source.addEventListener("error", () => {
    say("The connection is gone: is crew ui still running? A new one has a new address.", true);
    if (source && source.readyState === EventSource.CLOSED) { source = null; setTimeout(listen, 5000); }
  });
  for (const name of Object.keys(sections)) {
    source.addEventListener(name, (event) => {
      const message = JSON.parse(event.data);
      state.clock = message.now - Date.now() / 1000;
      state.heard[name] = message.data;
      sections[name](message.data);
      summary();
    });
  }
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden && source) { source.close(); source = null; }
  listen();
});
listen();

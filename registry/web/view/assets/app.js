// What the pages do beyond HTML: times in the reader's zone, copying, and a few
// controls that would need a button without scripts. Everything works without it.
"use strict";

const zoned = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "full", timeStyle: "long" });

// say tells a screen reader, without moving the focus.
function say(text) {
  document.getElementById("said").textContent = text;
}

// enhance prepares a part of the page that has just arrived.
function enhance(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    const at = new Date(time.dateTime);
    time.textContent = zoned.format(at);
    time.title = exact.format(at);
  }
  for (const button of root.querySelectorAll("[data-copy], [data-all]")) button.hidden = false;
  for (const button of root.querySelectorAll("[data-scriptless]")) button.hidden = true;
  for (const table of root.querySelectorAll("table.stacked")) label(table);
  for (const row of root.querySelectorAll(".tabs")) { // on a phone it moves sideways
    const here = row.querySelector("[aria-current]");
    if (here) row.scrollLeft = here.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
  }
  count();
  listen();
}

// label gives the cells of a table their column's name, which a phone shows beside them:
// there each row is a card.
function label(table) {
  const names = [...table.querySelectorAll("thead th")].map((th) => th.querySelector(".hidden, input") ? "" : th.textContent.trim());
  for (const row of table.querySelectorAll("tbody tr")) {
    [...row.cells].forEach((cell, i) => {
      if (i > 0 && names[i] && !cell.querySelector(".label, form") && cell.colSpan === 1) cell.dataset.label = names[i];
    });
  }
}

// note says something above the page, where it stays.
function note(text) {
  const box = document.createElement("p");
  box.className = "notice";
  box.role = "status";
  box.textContent = text;
  document.getElementById("notice").replaceChildren(box);
}

// toast says over the page what is wrong, and takes it back after a while.
function toast(text) {
  const box = document.getElementById("toast");
  box.role = "alert";
  box.textContent = text;
  box.hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { box.hidden = true; }, 8000);
}

// count says how many tags are chosen; what is done with them stays in sight.
function count() {
  for (const bar of document.querySelectorAll(".bulk")) {
    const all = bar.querySelector("input[name=all]")?.checked;
    const chosen = bar.closest("form").querySelectorAll("input[name=tag]:checked").length;
    bar.classList.toggle("chosen", all || chosen > 0);
    const out = bar.querySelector("[data-chosen]");
    out.hidden = all || chosen === 0;
    out.querySelector("output").textContent = chosen;
  }
}

async function copy(button) {
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch { // without TLS there is no clipboard: select it for the reader
    const range = document.createRange();
    range.selectNodeContents(button.parentElement.querySelector("code"));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    return;
  }
  button.classList.add("primary");
  say(document.body.dataset.copied);
  setTimeout(() => button.classList.remove("primary"), 1200);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
  for (const open of document.querySelectorAll("details.drop[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const open of document.querySelectorAll("details.drop[open]")) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  }
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    document.getElementById("find").focus();
  }
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  if (event.target.matches("[data-all]")) {
    for (const box of event.target.closest("form").querySelectorAll("input[name=tag]")) box.checked = event.target.checked;
  }
  if (event.target.closest("#bulk")) count();
});

document.addEventListener("htmx:afterSettle", (event) => enhance(event.target.parentElement || document));

// An answer that is an error page, as after the session has ended, is shown whole.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if (xhr.status >= 400 || new URL(xhr.responseURL).pathname === "/sign-in") {
    event.detail.shouldSwap = false;
    location.assign(xhr.responseURL);
  }
});

// Live parts: a stream says when what a part shows has changed, and the part is asked
// for anew. Streams of pages that nobody sees are closed.
const streams = new Map(); // by URL
const partOf = (url) => document.querySelector(`[data-live="${CSS.escape(url)}"]`);

function refresh(url, mark) {
  const part = partOf(url);
  if (!part || part.dataset.mark === mark) return;
  if (part.dataset.grown) { // it would lose what the reader has asked for
    part.querySelector("[data-fresh]").hidden = false;
  } else if (part.querySelector("details[open]")) {
    setTimeout(() => refresh(url, mark), 1000);
  } else {
    htmx.trigger(part, "live");
  }
}

function listen() {
  if (!window.htmx) return;
  const wanted = new Set(document.hidden ? [] : [...document.querySelectorAll("[data-live]")].map((part) => part.dataset.live));
  for (const [url, stream] of streams) {
    if (wanted.has(url)) continue;
    stream.close();
    streams.delete(url);
  }
  for (const url of wanted) {
    if (streams.has(url)) continue;
    const stream = new EventSource(url);
    streams.set(url, stream);
    stream.addEventListener("change", (event) => refresh(url, event.data));
    stream.addEventListener("end", () => stream.close());
    stream.addEventListener("error", () => {
      if (stream.readyState !== EventSource.CLOSED) return; // the browser tries again
      setTimeout(() => { // there are too many, say: look now and then
        if (streams.get(url) !== stream) return;
        streams.delete(url);
        refresh(url, "");
        listen();
      }, 15000);
    });
  }
}

document.addEventListener("visibilitychange", listen);
addEventListener("pagehide", () => { for (const stream of streams.values()) stream.close(); });

// What had the focus in a part that is replaced has it again afterwards.
let focused = "";

function addressOf(element) {
  const form = element.closest("form");
  if (element.id) return "#" + CSS.escape(element.id);
  if (element.matches("a[href]")) return `a[href="${CSS.escape(element.getAttribute("href"))}"]`;
  if (form && element.matches("button")) return `form[action="${CSS.escape(form.getAttribute("action"))}"] button`;
  return element.matches("[aria-label]") ? `[aria-label="${CSS.escape(element.getAttribute("aria-label"))}"]` : "";
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const { target } = event.detail;
  focused = target.matches("[data-live]") && target.contains(document.activeElement) ? addressOf(document.activeElement) : "";
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id === "rows") {
    const part = event.target.closest("[data-live]");
    if (part) part.dataset.grown = "1";
  }
  if (focused) document.querySelector(focused)?.focus({ preventScroll: true });
  focused = "";
});

// A form is sent once, however often its button is pressed.
function unlock() {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
  event.submitter?.setAttribute("aria-busy", "true");
  setTimeout(unlock, 15000); // the reader stopped it, say
  keep(form);
});
addEventListener("pageshow", unlock);

// What was typed is kept in the tab until the registry has taken it: a session that ended
// meanwhile, or a line that broke, takes nothing from its reader. Secrets are not kept.
const drafts = "draft";
const draftLife = 12 * 3600 * 1000; // milliseconds
const fieldsOf = (form) => [...form.elements].filter((field) =>
  field.name && field.matches("input, select, textarea") && !field.matches("[type=hidden], [type=password], [type=file], [data-secret]"));
const alike = (action) => [...document.forms].filter((form) => form.getAttribute("action") === action);
const versionOf = (form) => form.querySelector("input[type=hidden][name=version]")?.value ?? "";

function keep(form) {
  const fields = fieldsOf(form).map((field) => [field.name, field.value, field.checked ?? false]);
  const action = form.getAttribute("action");
  if (fields.length === 0 || form.matches("#bulk, .prefer") || action === "/sign-in") return;
  sessionStorage.setItem(drafts, JSON.stringify({
    page: location.pathname, action, nth: alike(action).indexOf(form), version: versionOf(form), fields,
    who: document.body.dataset.who, at: Date.now(),
  }));
}

function fill(draft) {
  const form = alike(draft.action)[draft.nth];
  if (!form || versionOf(form) !== draft.version) return false; // another has changed it: look first
  const fields = fieldsOf(form);
  let typed = false;
  draft.fields.forEach(([name, value, checked], i) => {
    const field = fields[i];
    if (field?.name !== name) return;
    typed ||= field.value !== value || (field.checked ?? false) !== checked;
    if (field.type === "checkbox" || field.type === "radio") field.checked = checked;
    else field.value = value;
  });
  for (let up = form.closest("details"); up; up = up.parentElement.closest("details")) up.open = true;
  return typed;
}

function restore() {
  const text = sessionStorage.getItem(drafts);
  if (text === null) return;
  const draft = JSON.parse(text), failed = "failed" in document.getElementById("main").dataset;
  const back = performance.getEntriesByType("navigation")[0]?.type === "back_forward";
  const signing = location.pathname.startsWith("/sign-in");
  if (failed || signing) draft.lost = true;
  const here = location.pathname === draft.page || location.pathname === draft.action;
  const mine = document.body.dataset.who === draft.who;
  if (!draft.lost && !back || !signing && !failed && !mine || Date.now() - draft.at > draftLife) {
    sessionStorage.removeItem(drafts); // it was taken
  } else if (here && mine && alike(draft.action).length > 0) {
    sessionStorage.removeItem(drafts);
    if (fill(draft) && !failed) note(document.body.dataset.restored);
  } else {
    sessionStorage.setItem(drafts, JSON.stringify(draft));
  }
}

document.addEventListener("htmx:sendError", () => toast(document.body.dataset.unreachable));
document.addEventListener("htmx:timeout", () => toast(document.body.dataset.unreachable));

enhance(document);
restore();

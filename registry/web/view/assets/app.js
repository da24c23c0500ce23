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

enhance(document);

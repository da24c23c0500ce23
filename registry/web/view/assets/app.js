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

enhance(document);

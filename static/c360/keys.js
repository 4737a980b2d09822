// Keys for those who work without a mouse: J and K through the customers of a page, one letter for what is done with
// the one at hand, ? for help, Ctrl K for the command palette. Each has a link or a button that does the same; single
// letters are off while one types, and for those who switch them off.
"use strict";

(() => {
  const OFF = "c360.keys.off";
  const byId = (id) => document.getElementById(id);
  const help = byId("keys-help");
  if (!help) return;
  const toggle = byId("keys-on");
  const selected = new Set();

  function isOff() {
    try { return window.localStorage.getItem(OFF) === "1"; } catch { return false; }
  }

  // --- the customers of the page --------------------------------------------------------------------------------
  // A row is whatever has the link to a customer, on the first page and on the list alike.
  const names = () => [...document.querySelectorAll("main a.name[id^='c-']")].filter((one) => one.checkVisibility());
  const rowOf = (element) => element?.closest("[data-row], tr");
  let last = "";

  function current() {
    const row = rowOf(document.activeElement);
    return row?.querySelector("a.name[id^='c-']") ?? null;
  }

  function focus(name) {
    name.focus();
    name.scrollIntoView({ block: "nearest" });
    last = name.id;
  }

  function step(by) {
    const all = names();
    if (!all.length) return;
    const at = all.indexOf(current() ?? byId(last));
    const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by));
    focus(all[next]);
  }

  const idOf = (name) => name.id.slice(2);

  // Where one comes back to after the customer at hand has left the page: the one behind it.
  function following(name) {
    const all = names();
    const at = all.indexOf(name);
    return all[at + 1] ?? all[at - 1] ?? null;
  }

  function backTo(name) {
    const here = location.pathname + location.search;
    return name ? `${here}#${name.id}` : here;
  }

  function snooze(name) {
    const marked = [...document.querySelectorAll("main [form=snooze]:checked")].map((one) => one.value);
    const ids = marked.length ? marked : [idOf(name)];
    const query = new URLSearchParams(ids.map((id) => ["customer", id]));
    query.set("next", backTo(marked.length ? null : following(name)));
    location.assign(`${help.dataset.snooze}?${query}`);
  }

  const ON_CUSTOMERS = {
    x: (name) => rowOf(name)?.querySelector("input[type=checkbox]")?.click(),
    s: snooze,
    m: (name) => { if (help.dataset.mayMove) location.assign(`${name.getAttribute("href")}/move`); },
    o: (name) => name.click(),
  };

  function findFilter() {
    const field = document.querySelector("main [role=search] input[type=search], main form.filters input:not([type=hidden])");
    if (field) field.focus();
    else byId("palette-open")?.click();
  }

  // --- keys -------------------------------------------------------------------------------------------------------
  function isTyping(target) {
    return target.isContentEditable || target.matches("input:not([type=checkbox], [type=radio]), select, textarea");
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isOff()) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const key = event.key.toLowerCase();
    if (key === "j") step(1);
    else if (key === "k") step(-1);
    else if (key === "f") findFilter();
    else if (event.key === "?") help.showModal();
    else if (key in ON_CUSTOMERS) {
      const name = current() ?? byId(last);
      if (!name) return;
      ON_CUSTOMERS[key](name);
    } else return;
    event.preventDefault();
  });

  document.addEventListener("focusin", (event) => {
    const name = rowOf(event.target)?.querySelector("a.name[id^='c-']");
    if (name) last = name.id;
  });

  // --- what is marked stays marked when the page brings itself up to date ----------------------------------------
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[form=snooze][type=checkbox]")) return;
    if (event.target.checked) selected.add(event.target.value);
    else selected.delete(event.target.value);
  });
  document.addEventListener("htmx:load", () => {
    for (const box of document.querySelectorAll("[form=snooze][type=checkbox]")) {
      if (selected.has(box.value)) box.checked = true;
    }
  });

  // --- help, and the switch ---------------------------------------------------------------------------------------
  byId("keys-open")?.addEventListener("click", () => help.showModal());
  toggle.checked = !isOff();
  toggle.addEventListener("change", () => {
    try {
      if (toggle.checked) window.localStorage.removeItem(OFF);
      else window.localStorage.setItem(OFF, "1");
    } catch { /* A browser that keeps nothing: the keys stay on. */ }
  });

  // Back from a page that was opened from here: at the customer that comes next.
  const wanted = location.hash.startsWith("#c-") ? byId(decodeURIComponent(location.hash.slice(1))) : null;
  if (wanted) focus(wanted);
})();

// The command palette: customers, views and actions by a few letters. A combobox in a dialog (WAI-ARIA): the focus stays
// in the field, and the option at hand is named by aria-activedescendant. The server finds and says what there is.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const dialog = byId("palette");
  const opener = byId("palette-open");
  if (!dialog || !opener) return;
  const field = byId("palette-field");
  const list = byId("palette-options");
  const said = byId("palette-said");
  const WAIT = 120;
  let asked = null;
  let timer = 0;
  // Enter was pressed before what was typed last had been answered: it counts when it is.
  let isHurried = false;

  const options = () => [...list.querySelectorAll("[role=option]")];

  function choose(option) {
    for (const one of options()) one.setAttribute("aria-selected", String(one === option));
    if (option) {
      field.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else field.removeAttribute("aria-activedescendant");
  }

  const chosen = () => list.querySelector("[aria-selected=true]");

  const isAnswered = () => list.dataset.query === field.value.trim();

  async function look() {
    asked?.abort();
    const mine = asked = new AbortController();
    const text = field.value.trim();
    const query = new URLSearchParams({ q: text, at: location.pathname });
    try {
      const response = await fetch(`${dialog.dataset.address}?${query}`, {
        signal: mine.signal,
        headers: { "HX-Request": "true" },
      });
      if (!response.ok || response.headers.has("HX-Redirect")) throw new Error(String(response.status));
      const found = await response.text();
      if (mine !== asked) return;
      list.innerHTML = found;
      list.dataset.query = text;
      choose(options()[0] ?? null);
      said.textContent = list.querySelector("[data-said]")?.dataset.said ?? "";
      if (isHurried && isAnswered()) go(chosen());
    } catch (error) {
      if (error.name === "AbortError") return;
      list.replaceChildren();
      choose(null);
      said.textContent = dialog.dataset.trouble;
    }
  }

  function open() {
    if (document.querySelector("dialog[open]")) return;
    field.value = "";
    isHurried = false;
    delete list.dataset.query;
    dialog.showModal();
    field.focus();
    look();
  }

  function go(option) {
    if (option) location.assign(option.dataset.href);
  }

  // Without this script it is a link to the list.
  opener.setAttribute("aria-haspopup", "dialog");
  opener.addEventListener("click", (event) => {
    event.preventDefault();
    open();
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
    }
  });
  field.addEventListener("input", () => {
    isHurried = false;
    window.clearTimeout(timer);
    timer = window.setTimeout(look, WAIT);
  });
  field.addEventListener("keydown", (event) => {
    const all = options();
    const at = all.indexOf(chosen());
    if (event.key === "ArrowDown") choose(all[(at + 1) % all.length] ?? null);
    else if (event.key === "ArrowUp") choose(all[(at - 1 + all.length) % all.length] ?? null);
    else if (event.key === "Home" && !field.value) choose(all[0] ?? null);
    else if (event.key === "End" && !field.value) choose(all.at(-1) ?? null);
    else if (event.key === "Enter") {
      if (isAnswered()) go(chosen());
      else isHurried = true;
    }
    else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => go(event.target.closest("[role=option]")));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { asked?.abort(); window.clearTimeout(timer); });
})();

// The customers that are ticked, on the list and on the board: kept while rows are exchanged and pages turned. And what
// of the list itself needs a script.
"use strict";

(() => {
  // From the list to the board and back with the filters as they are now.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-same-query]");
    // The list says what it shows: its address may have a condition besides that could not be added.
    const shown = document.querySelector('#results > input[name="of"]');
    if (link) link.search = shown ? shown.value : window.location.search;
  });

  // Of a condition the values are suggested that its field has.
  const condition = document.getElementById("add");
  const value = document.getElementById("value");
  function suggest() {
    value.setAttribute("list", `values-${/[a-z_]*/.exec(condition.value.replace("!", ""))[0]}`);
  }
  condition?.addEventListener("change", suggest);
  if (condition?.value) suggest();

  // A view that the list has come to differ from can be saved as another one.
  const stateOfView = () => document.getElementById("view-state");
  let isChanged = Boolean(stateOfView()?.textContent.trim());
  document.addEventListener("htmx:afterSettle", () => {
    const wasChanged = isChanged;
    isChanged = Boolean(stateOfView()?.textContent.trim());
    if (isChanged && !wasChanged) stateOfView().closest("details").open = true;
  });

  const form = document.getElementById("selection");
  if (!form) return;
  const chosen = new Set();
  const count = form.querySelector("[data-count]");
  const everyone = form.elements.everyone;
  const untouched = count.textContent;
  let wanted = "";
  const boxes = () => document.querySelectorAll('input[name="customer"][form="selection"]');

  function show() {
    for (const box of boxes()) {
      box.checked = chosen.has(box.value);
      box.closest("tr, li")?.classList.toggle("ticked", box.checked);
    }
    const texts = form.dataset;
    const number = chosen.size;
    const some = number === 1 ? texts.one : texts.many.replace("%s", number.toLocaleString(document.documentElement.lang));
    const none = count.dataset.used ? texts.none : untouched;
    const text = everyone.checked ? texts.everyone : number ? some : none;
    // Set only when it changes: it is read aloud.
    if (count.textContent !== text) count.textContent = text;
  }

  function tick(id, isTicked) {
    count.dataset.used = "true";
    if (isTicked) chosen.add(id); else chosen.delete(id);
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches('input[name="customer"][form="selection"]')) tick(event.target.value, event.target.checked);
    if (event.target.form === form) show();
  });

  document.addEventListener("htmx:load", (event) => {
    // Rows that have just come, and boxes that were ticked before this script was there.
    if (event.detail.elt.querySelector?.('input[name="customer"]') || event.detail.elt === document.body) show();
  });

  // What was ticked before the session had expired is put back box by box.
  document.addEventListener("c360:restored", ({ target }) => {
    if (target !== form) return;
    for (const box of boxes()) if (box.checked) tick(box.value, true);
    show();
  });

  const page = form.querySelector("[data-tick-page]");
  page.hidden = false;
  page.addEventListener("click", () => {
    const all = [...boxes()];
    const isTicked = all.some((box) => !box.checked);
    for (const box of all) tick(box.value, isTicked);
    show();
  });

  // Those on other pages go along; each is sent once.
  form.addEventListener("submit", () => {
    for (const field of form.querySelectorAll("[data-elsewhere]")) field.remove();
    const shown = new Set([...boxes()].map((box) => box.value));
    const elsewhere = [...chosen].filter((id) => !shown.has(id));
    if (elsewhere.length) add("customer", elsewhere.join(","));
    if (wanted) add("stage", wanted);
  });

  function add(name, value) {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name, value });
    field.dataset.elsewhere = "true";
    form.append(field);
  }

  for (const box of boxes()) if (box.checked) tick(box.value, true);
  show();

  window.c360Selection = {
    has: (id) => chosen.has(id),
    ids: () => [...chosen],
    // As the button does, with the stage that is chosen already.
    move(stage) {
      everyone.checked = false;
      wanted = stage;
      form.requestSubmit(form.querySelector('button[name="action"][value="move"]'));
      wanted = "";
    },
  };
})();

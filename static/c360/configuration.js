// What the editor of a draft does beyond htmx: colour pickers, a warning before unsaved work is left, jumps to lines.
"use strict";

(() => {
  const COLOR = /^#[0-9a-f]{6}$/i;

  // A picker beside each colour field. The field itself may be empty (the category's colour), which no picker can.
  function addPickers(scope) {
    for (const field of scope.querySelectorAll("input.color")) {
      if (field.nextElementSibling?.type === "color") continue;
      const picker = document.createElement("input");
      picker.type = "color";
      picker.value = COLOR.test(field.value) ? field.value : "#8a93a6";
      picker.setAttribute("aria-label", "Pick a color");
      picker.addEventListener("input", () => { field.value = picker.value; setDirty(true); });
      field.addEventListener("input", () => { if (COLOR.test(field.value)) picker.value = field.value; });
      field.after(picker);
    }
  }

  let isDirty = false;

  function setDirty(value) {
    isDirty = value;
    const state = document.querySelector(".editor .state");
    if (value && state) state.textContent = "Not saved yet";
  }

  // Whether a field shows something else than the server sent, as when it was filled in before this script ran.
  function isTouched(field) {
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    const options = [...(field.options ?? [])];
    if (options.some((option) => option.defaultSelected)) return options.some((one) => one.selected !== one.defaultSelected);
    return options.length ? field.selectedIndex > 0 : field.value !== field.defaultValue;
  }

  // What is typed while the server answers is not in its answer: it is put back into the new rows. Rows keep their keys.
  let late = null;

  function keepLate(field) {
    const isMark = field.type === "checkbox" || field.type === "radio";
    late?.set(isMark ? `${field.name}=${field.value}` : field.name, {
      name: field.name, value: field.value, isMark, checked: field.checked,
    });
  }

  function putBackLate() {
    for (const { name, value, isMark, checked } of late?.values() ?? []) {
      const selector = `#editor [name="${CSS.escape(name)}"]${isMark ? `[value="${CSS.escape(value)}"]` : ""}`;
      const field = document.querySelector(selector);
      if (!field) continue;
      if (isMark) field.checked = checked;
      else field.value = value;
    }
    late = null;
  }

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.target.id === "editor") late = new Map();
  });
  document.addEventListener("htmx:afterSwap", putBackLate);

  document.addEventListener("input", (event) => {
    if (!event.target.closest(".editor")) return;
    setDirty(true);
    keepLate(event.target);
  });
  document.addEventListener("submit", () => { isDirty = false; });
  window.addEventListener("beforeunload", (event) => {
    if (isDirty) event.preventDefault();
  });

  // What was typed goes along: the draft is saved on the way to its publication.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-saves-first]");
    const form = link?.closest("form");
    if (!form || !isDirty) return;
    event.preventDefault();
    const button = document.createElement("button");
    button.name = "do";
    button.value = link.dataset.savesFirst;
    button.hidden = true;
    form.append(button);
    form.requestSubmit(button);
    button.remove();
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-line]");
    const text = document.getElementById("text");
    if (!link || !text) return;
    event.preventDefault();
    const lines = text.value.split("\n");
    const number = Math.min(Number(link.dataset.line), lines.length);
    const start = lines.slice(0, number - 1).reduce((sum, line) => sum + line.length + 1, 0);
    text.focus();
    text.setSelectionRange(start, start + lines[number - 1].length);
    text.scrollTop = (number - 6) * parseFloat(getComputedStyle(text).lineHeight);
  });

  function begin(scope) {
    addPickers(scope);
    if (document.querySelector(".editor")?.dataset.unsaved === "yes") isDirty = true;
  }

  document.addEventListener("htmx:load", (event) => begin(event.detail.elt));
  begin(document);
  if ([...document.querySelectorAll(".editor :is(input, select, textarea)[name]")].some(isTouched)) setDirty(true);
})();

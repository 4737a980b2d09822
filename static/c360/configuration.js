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
      picker.setAttribute("aria-label", "Pick the colour");
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

  document.addEventListener("input", (event) => {
    if (event.target.closest(".editor")) setDirty(true);
  });
  document.addEventListener("submit", () => { isDirty = false; });
  window.addEventListener("beforeunload", (event) => {
    if (isDirty) event.preventDefault();
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
})();

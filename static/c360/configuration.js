// What the editor of a draft does beyond htmx: colour pickers, a warning before unsaved work is left, jumps to lines, and
// a look at what is being typed: the server says what is wrong with it and draws it, and saves nothing.
"use strict";

(() => {
  const COLOR = /^#[0-9a-f]{6}$/i;

  // The colour that a stage is shown in: its own, or that of the category that is chosen for it.
  function shownColor(field) {
    const category = document.getElementById(field.id.replace(/color$/, "category"))?.selectedOptions[0];
    return COLOR.test(field.value) ? field.value : category?.dataset.color ?? "#8a93a6";
  }

  // A picker beside each colour field. The field itself may be empty (the category's colour), which no picker can.
  function addPickers(scope) {
    for (const field of scope.querySelectorAll("input.color")) {
      if (field.nextElementSibling?.type === "color") continue;
      const picker = document.createElement("input");
      picker.type = "color";
      picker.value = shownColor(field);
      picker.setAttribute("aria-label", document.getElementById("editor").dataset.saysColor);
      picker.addEventListener("input", () => {
        field.value = picker.value;
        setDirty(true);
        keepLate(field);
      });
      const follow = () => { picker.value = shownColor(field); };
      field.addEventListener("input", follow);
      document.getElementById(field.id.replace(/color$/, "category"))?.addEventListener("change", follow);
      field.after(picker);
    }
  }

  let isDirty = false;

  function setDirty(value) {
    isDirty = value;
    const state = document.querySelector(".editor .state");
    if (value && state) state.textContent = document.getElementById("editor").dataset.saysUnsaved;
  }

  // Whether a field shows something else than the server sent, as when it was filled in before this script ran.
  function isTouched(field) {
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    const options = [...(field.options ?? [])];
    if (options.some((option) => option.defaultSelected)) return options.some((one) => one.selected !== one.defaultSelected);
    return options.length ? field.selectedIndex > 0 : field.value !== field.defaultValue;
  }

  // What is typed while the server answers is not in its answer: it is put back into the new rows. Rows keep their keys,
  // and lines that have their name in common, as the sources of an order, their ids.
  let late = null;

  function keepLate(field) {
    if (!field.name || field.type === "file") return;
    const isMark = field.type === "checkbox" || field.type === "radio";
    const key = isMark ? `${field.name}=${field.value}` : field.id || field.name;
    const chosen = field.multiple && field.options ? [...field.selectedOptions].map((option) => option.value) : null;
    // What was chosen last comes last.
    late?.delete(key);
    late?.set(key, { id: field.id, name: field.name, value: field.value, isMark, checked: field.checked, chosen });
  }

  function putBackLate() {
    for (const { id, name, value, isMark, checked, chosen } of late?.values() ?? []) {
      const selector = `#editor [name="${CSS.escape(name)}"]${isMark ? `[value="${CSS.escape(value)}"]` : ""}`;
      const field = isMark || !id ? document.querySelector(selector) : document.getElementById(id);
      if (!field) continue;
      if (isMark) field.checked = checked;
      else if (chosen) for (const option of field.options) option.selected = chosen.includes(option.value);
      else field.value = value;
    }
    late = null;
  }

  // A field that others depend on, changed while the server answers: it is asked about that change after its answer,
  // with the new rows. An answer for the rows of before would be shown nowhere.
  let isAsked = false;
  let askedLate = "";

  document.addEventListener("htmx:confirm", (event) => {
    if (!isAsked || event.detail.target.id !== "editor") return;
    event.preventDefault();
    askedLate = event.detail.elt.name;
  });

  function askLate() {
    isAsked = false;
    const field = askedLate && document.querySelector(`#editor select[name="${CSS.escape(askedLate)}"]`);
    askedLate = "";
    if (field) field.dispatchEvent(new Event("change", { bubbles: true }));
  }

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.target.id !== "editor") return;
    isAsked = true;
    event.detail.xhr.addEventListener("loadend", askLate);
    late = new Map();
    const { id, name, value } = document.activeElement;
    focused = { id, name, value, step: document.activeElement.closest("details.step")?.id };
  });
  // Not when a look at the draft comes back in between: what is typed waits for the rows that it belongs into.
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id !== "editor") return;
    putBackLate();
    keepFocus();
  });

  // The button that was pressed is disabled while the server answers, and so loses the focus. What was pressed has it again:
  // the first field of a new row, the button, or the head of the step, when the row is gone.
  let focused = null;
  const ROWS = { add_rule: "#event_rules", add_risk: "#risk_rules", add_effect: "#effects", add_part: "#health", add_source: "#sources" };

  function keepFocus() {
    if (!focused || document.activeElement !== document.body) return;
    const added = [...document.querySelectorAll(`${ROWS[focused.value] ?? "#none"} fieldset.card`)].at(-1);
    const button = `#editor button[name="do"][value="${CSS.escape(focused.value ?? "")}"]:not(:disabled, .visually-hidden)`;
    const next =
      added?.querySelector(".fields :is(input, select, textarea)") ??
      (focused.id ? document.getElementById(focused.id) : null) ??
      (focused.name === "do" ? document.querySelector(button) : null) ??
      (focused.step ? document.querySelector(`#${focused.step} > summary`) : null);
    next?.focus();
  }

  document.addEventListener("input", (event) => {
    if (!event.target.closest(".editor")) return;
    setDirty(true);
    keepLate(event.target);
    if (event.target.matches("select.field")) showUnit(event.target);
    lookSoon();
  });
  document.addEventListener("submit", () => { isDirty = false; });
  // The session has ended. What was typed is kept, so that no one is asked whether it may be lost on the way to the log-in.
  document.addEventListener("htmx:beforeOnLoad", ({ detail: { xhr } }) => {
    if (xhr.getResponseHeader("HX-Redirect") && window.c360Drafts.keep(document.getElementById("draft"))) isDirty = false;
  });
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

  // The reasons that are offered are those of the stage that was chosen.
  document.addEventListener("change", (event) => {
    const reason = event.target.matches("select[data-reason]") && document.getElementById(event.target.dataset.reason);
    if (!reason) return;
    const list = event.target.selectedOptions[0]?.dataset.reasons;
    if (list) reason.setAttribute("list", list);
    else reason.removeAttribute("list");
  });

  // What follows the value of a condition, as soon as something else is looked at.
  function showUnit(field) {
    const unit = field.closest(".condition").querySelector(".unit");
    unit.textContent = field.selectedOptions[0]?.dataset.unit ?? "";
  }

  // Which steps are open goes along with the form: the answer has them as they were.
  document.addEventListener("toggle", (event) => {
    const open = event.target.matches?.("details.step") ? event.target.querySelector('input[name="open"]') : null;
    if (open) open.disabled = !event.target.open;
  }, true);

  // A link to what is in a closed step opens it first.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('#verdict a[href^="#"]');
    const target = link && document.getElementById(link.hash.slice(1));
    if (!target) return;
    event.preventDefault();
    for (let one = target; one; one = one.parentElement?.closest("details")) if (one.matches("details")) one.open = true;
    target.scrollIntoView({ block: "center" });
    if (!target.matches("input, select, textarea")) target.tabIndex = -1;
    target.focus({ preventScroll: true });
  });

  // The longer the server takes for a look, the longer it is left alone.
  const SOONEST_MS = 500;
  let waiting = 0;
  let lastTook = 0;
  let asked = 0;

  function lookSoon() {
    const verdict = document.getElementById("verdict");
    if (!verdict) return;
    verdict.dataset.stale = "yes";
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      asked = performance.now();
      htmx.trigger("#verdict", "c360:look");
    }, Math.max(SOONEST_MS, 3 * lastTook));
  }

  // What the server found while something was pressed was not put among the fields.
  document.addEventListener("c360:let-go", ({ target }) => { if (target.id === "verdict") lookSoon(); });

  // What the server found is put beside the fields that it is about; what it no longer finds goes away.
  function placeFindings(verdict) {
    const form = document.getElementById("draft");
    if (!form.querySelector("details.step")) return;
    for (const old of form.querySelectorAll(".step .finding:not(label, :has(input))")) old.remove();
    for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
    for (const item of verdict.querySelectorAll("[data-at]")) {
      const at = document.getElementById(item.dataset.at);
      const isError = item.classList.contains("error");
      const step = document.getElementById(`step-${item.dataset.in}`);
      // Errors that were not there before open their step; one that someone closes over old errors stays closed.
      if (isError && step && !known.has(item.textContent)) step.open = true;
      if (!at || at.matches("details")) continue;
      const said = document.createElement("p");
      said.className = item.classList.value;
      said.textContent = item.querySelector("span").textContent;
      if (at.matches("input, select, textarea")) {
        if (isError) at.setAttribute("aria-invalid", "true");
        at.closest("td, .condition, .fields > div, li, p, div").append(said);
      } else {
        at.append(said);
      }
    }
    known = errorsIn(verdict);
  }

  const errorsIn = (verdict) => new Set([...(verdict?.querySelectorAll(".finding.error") ?? [])].map((one) => one.textContent));
  let known = errorsIn(document.getElementById("verdict"));

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id === "editor") {
      clearTimeout(waiting);
      known = errorsIn(document.getElementById("verdict"));
    }
    if (event.detail.target.id !== "verdict") return;
    const verdict = event.detail.target;
    lastTook = performance.now() - asked;
    delete verdict.dataset.stale;
    placeFindings(verdict);
    const said = document.getElementById("verdict-said");
    const heading = verdict.querySelector("h2").textContent;
    if (said.textContent !== heading) said.textContent = heading;
  });

  // With this script the form says which steps are open; without it what was changed is open in the answer.
  function keepFolds(form) {
    if (!form || form.elements.folds) return;
    const kept = document.createElement("input");
    Object.assign(kept, { type: "hidden", name: "folds", value: "yes" });
    form.append(kept);
  }

  function begin(scope) {
    addPickers(scope);
    keepFolds(document.getElementById("draft"));
    if (document.querySelector(".editor")?.dataset.unsaved === "yes") isDirty = true;
  }

  document.addEventListener("htmx:load", (event) => begin(event.detail.elt));
  begin(document);
  if ([...document.querySelectorAll(".editor :is(input, select, textarea)[name]")].some(isTouched)) setDirty(true);
})();

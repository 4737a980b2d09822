// A click is one only where it began: exchanged or moved between the press and its end, what was pressed would be missed,
// and the click lost. What a page looks up by itself is not shown as long as something is pressed, nor in a part of the
// page that an answer to a person is to go into: that would be shown nowhere. Where it is not looked up again soon in any
// case, it is asked for after that: "c360:held", then "c360:let-go", on what had looked.
"use strict";

(() => {
  const UNASKED = '[data-live], [data-bell], [hx-trigger^="every"], [hx-trigger^="c360:"]';
  // The end of a press is not always heard of (a list of choices that opens takes it).
  const LONGEST_PRESS_MS = 3000;
  let isPressed = false;
  let pressing = 0;
  const held = new Set();
  // The requests of people whose answers go into a part that looks by itself, and which part that is.
  const awaited = new Map();

  const tell = (element, name) => element.dispatchEvent(new CustomEvent(name, { bubbles: true }));

  function endPress() {
    isPressed = false;
    letGo();
  }

  function letGo() {
    if (isPressed || awaited.size) return;
    const all = [...held];
    held.clear();
    for (const element of all) tell(element, "c360:let-go");
  }

  function beginPress() {
    isPressed = true;
    window.clearTimeout(pressing);
    pressing = window.setTimeout(endPress, LONGEST_PRESS_MS);
  }

  function finishPress() {
    window.clearTimeout(pressing);
    // Later: the click comes after this.
    pressing = window.setTimeout(endPress);
  }

  document.addEventListener("pointerdown", beginPress, true);
  for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, finishPress, true);
  // Space presses what has the focus, and clicks as it is let go. In a field of text it is a letter.
  document.addEventListener("keydown", ({ key, target }) => {
    if (key === " " && target.matches("button, summary, [type=checkbox], [type=radio]")) beginPress();
  }, true);
  document.addEventListener("keyup", ({ key }) => { if (key === " ") finishPress(); }, true);
  document.addEventListener("htmx:beforeSend", ({ detail: { xhr, elt, target } }) => {
    const part = elt.matches(UNASKED) ? null : target.parentElement?.closest("[data-live]");
    if (!part) return;
    awaited.set(xhr, part);
    xhr.addEventListener("loadend", () => {
      awaited.delete(xhr);
      letGo();
    });
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    // Of this event the element is what is exchanged, which may also be the answer to a wish.
    const { requestConfig, shouldSwap, target } = event.detail;
    const isHeld = isPressed || [...awaited.values()].includes(target);
    if (!isHeld || !shouldSwap || !requestConfig.elt.matches(UNASKED)) return;
    event.detail.shouldSwap = false;
    held.add(requestConfig.elt);
    tell(requestConfig.elt, "c360:held");
  });
})();

// The board: cards are dragged with the mouse, or moved by a menu with the keyboard. Nothing is saved here: both lead to
// the dialog of one customer, or to the preview of several. A card stays at its place until the server has moved it.
"use strict";

(() => {
  const results = document.querySelector("[data-board]");
  const menu = document.getElementById("move-menu");
  if (!results || !menu) return;
  const selection = window.c360Selection;
  const drag = { cards: [], over: null, missed: null };

  const columns = () => [...results.querySelectorAll(".board-column")];
  const columnOf = (card) => card.closest(".board-column");
  const announce = (text) => { document.getElementById("announcer").textContent = text; };

  // Those that are ticked go together, when one of them is taken.
  function together(card) {
    if (!selection?.has(card.dataset.customer)) return [card];
    const ticked = [...results.querySelectorAll(".card-of-board")].filter((one) => selection.has(one.dataset.customer));
    return ticked.length ? ticked : [card];
  }

  // Why none of the cards may go there; empty when one may. Of several the preview says which.
  function refusalOf(cards, column) {
    let refusal = "";
    for (const card of cards) {
      const from = columnOf(card);
      if (from === column) continue;
      if (from.dataset.allowed.split(" ").includes(column.dataset.number)) return "";
      refusal = from.dataset.refusal.replace("{to}", () => column.dataset.stage);
    }
    return refusal || null;
  }

  function moveTo(cards, column) {
    const ids = cards.map((card) => card.dataset.customer);
    document.body.dataset.opener = `move-${ids[0]}`;
    if (cards.length > 1) {
      selection.move(column.dataset.stage);
      return;
    }
    const parameters = new URLSearchParams({ place: "board", stage: column.dataset.stage });
    const address = cards[0].querySelector("[data-move]").pathname;
    htmx.ajax("GET", `${address}?${parameters}`, { target: "#dialog-slot", swap: "innerHTML" });
  }

  // --- by mouse ---------------------------------------------------------------------------------------------------
  results.addEventListener("dragstart", (event) => {
    const card = event.target.closest?.(".card-of-board");
    if (!card) return;
    drag.cards = together(card);
    drag.over = null;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", card.dataset.name);
    for (const one of drag.cards) one.classList.add("dragged");
    for (const column of columns()) {
      const refusal = refusalOf(drag.cards, column);
      const why = column.querySelector(".why");
      column.classList.toggle("closed", Boolean(refusal));
      why.textContent = refusal ?? "";
      why.hidden = !refusal;
    }
  });

  results.addEventListener("dragover", (event) => {
    const column = event.target.closest?.(".board-column");
    if (!drag.cards.length || !column) return;
    drag.over = column;
    for (const one of columns()) one.classList.toggle("over", one === column);
    if (refusalOf(drag.cards, column) !== "") return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "move";
  });

  results.addEventListener("drop", (event) => {
    const column = event.target.closest?.(".board-column");
    if (!drag.cards.length || !column || refusalOf(drag.cards, column) !== "") return;
    event.preventDefault();
    const { cards } = drag;
    endDrag();
    moveTo(cards, column);
  });

  document.addEventListener("dragend", () => {
    if (!drag.cards.length) return;
    // Let go where it may not go: it is at its place, and the sentence is said.
    const refusal = drag.over ? refusalOf(drag.cards, drag.over) : null;
    endDrag();
    if (refusal) refuse(refusal);
  });

  function endDrag() {
    for (const card of results.querySelectorAll(".dragged")) card.classList.remove("dragged");
    for (const column of columns()) {
      column.classList.remove("closed", "over");
      column.querySelector(".why").hidden = true;
    }
    drag.cards = [];
    catchUp();
  }

  function refuse(text) {
    const notice = document.getElementById("trouble").content.cloneNode(true);
    notice.querySelector("p").textContent = text;
    document.getElementById("toasts").replaceChildren(notice);
  }

  // What is being dragged, and the menu of a card, are not taken away by what comes: a look at what is new, or what the
  // filters were asked before the card was taken. They are asked again: a look would be one at the address before them.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, requestConfig, shouldSwap } = event.detail;
    if (target !== results || !(drag.cards.length || !menu.hidden)) return;
    event.detail.shouldSwap = false;
    if (shouldSwap && !drag.missed?.matches("form")) drag.missed = requestConfig.elt;
  });

  function catchUp() {
    const { missed } = drag;
    drag.missed = null;
    if (missed?.matches("form")) missed.requestSubmit();
    else if (missed) htmx.trigger(results, "c360:refresh");
  }

  // As many cards as were opened are shown again.
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.elt !== results) return;
    const most = Math.max(...columns().map((column) => column.querySelectorAll(".card-of-board").length));
    if (most > 20) event.detail.parameters.cards = String(most);
  });

  // --- by keyboard ------------------------------------------------------------------------------------------------
  let opener = null;

  function openMenu(button) {
    const cards = together(button.closest(".card-of-board"));
    opener = button;
    const items = columns().map((column) => {
      const item = document.createElement("button");
      const refusal = refusalOf(cards, column);
      item.type = "button";
      item.setAttribute("role", "menuitem");
      item.tabIndex = -1;
      item.textContent = column.dataset.stage;
      if (refusal !== "") {
        item.setAttribute("aria-disabled", "true");
        if (refusal) item.append(Object.assign(document.createElement("small"), { textContent: refusal }));
      }
      item.addEventListener("click", () => {
        if (refusal !== "") {
          if (refusal) announce(refusal);
          return;
        }
        closeMenu();
        moveTo(cards, column);
      });
      return item;
    });
    menu.replaceChildren(...items);
    menu.hidden = false;
    const place = button.getBoundingClientRect();
    menu.style.left = `${Math.max(8, Math.min(place.left, window.innerWidth - menu.offsetWidth - 8))}px`;
    menu.style.top = `${Math.max(8, Math.min(place.bottom + 4, window.innerHeight - menu.offsetHeight - 8))}px`;
    button.setAttribute("aria-expanded", "true");
    (items.find((item) => !item.hasAttribute("aria-disabled")) ?? items[0]).focus();
  }

  function closeMenu() {
    if (menu.hidden) return;
    menu.hidden = true;
    opener?.removeAttribute("aria-expanded");
    opener?.focus();
    catchUp();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-move]");
    // With a key the link opens elsewhere, as links do.
    if (button && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      openMenu(button);
    } else if (!menu.contains(event.target)) {
      closeMenu();
    }
  });

  menu.addEventListener("keydown", (event) => {
    const items = [...menu.children];
    const at = items.indexOf(document.activeElement);
    const to = {
      ArrowDown: (at + 1) % items.length,
      ArrowUp: (at - 1 + items.length) % items.length,
      Home: 0,
      End: items.length - 1,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      items[to].focus();
    } else if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      closeMenu();
    }
  });

  // --- what the server has done -------------------------------------------------------------------------------------
  document.addEventListener("c360:moved", (event) => {
    announce(event.detail.said);
    htmx.trigger(results, "c360:refresh");
  });

  // The card may be at another place now, or on a later page of its column: the keyboard goes on with it, or there.
  document.addEventListener("htmx:afterSettle", (event) => {
    const id = document.body.dataset.opener;
    if (event.detail.target !== results || !id || document.querySelector("dialog[open]")) return;
    const active = document.activeElement;
    if (active === document.body || active?.id === "main") (document.getElementById(id) ?? results.querySelector("h2"))?.focus();
  });
})();

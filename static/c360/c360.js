// What the pages do beyond htmx: the dialog, live updates with their fallback, announcements to screen readers.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  // Sentences come with the page, in its language.
  const said = byId("trouble").dataset;
  document.documentElement.classList.add("js");

  // --- telling people -----------------------------------------------------------------------------------------
  function announce(text) {
    const announcer = byId("announcer");
    announcer.textContent = "";
    // A fresh text in a later frame is read aloud even when it equals the one before.
    window.setTimeout(() => { announcer.textContent = text; }, 50);
  }

  function showTrouble(text) {
    const toasts = byId("toasts");
    const notice = byId("trouble").content.cloneNode(true);
    notice.querySelector("p").textContent = text;
    // Each has its time: one that has taken another's place does not go with it.
    const shown = [...notice.childNodes];
    toasts.replaceChildren(...shown);
    window.setTimeout(() => { for (const one of shown) one.remove(); }, 8000);
  }

  // --- away, and slow -------------------------------------------------------------------------------------------
  // While the browser has no connection a form is not sent: the browser would put a page of its own in its place, and
  // what was typed would be gone.
  function showConnection() {
    byId("offline").hidden = navigator.onLine;
  }

  for (const name of ["online", "offline"]) window.addEventListener(name, showConnection);
  window.addEventListener("online", () => { look(); ring(); });
  document.addEventListener("submit", (event) => {
    if (navigator.onLine) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    showTrouble(said.unreachable);
  }, true);

  // The same form, sent again before there is an answer, would have the browser give up the first answer: with it goes
  // the session that another password gives, and what it says of what was done. The first one counts, for so long: its
  // answer may never come. What htmx sends is no matter of this, nor is what another button of the form says.
  const AWAITED_MS = 10000;
  let sent = new WeakMap();
  window.addEventListener("pageshow", ({ persisted }) => { if (persisted) sent = new WeakMap(); });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || !form.matches("[method=post]")) return;
    const fields = new URLSearchParams(new FormData(form, event.submitter)).toString();
    const before = sent.get(form);
    if (before?.fields === fields && performance.now() - before.at < AWAITED_MS) event.preventDefault();
    else sent.set(form, { fields, at: performance.now() });
  });

  // What a person asked for and is not there after a moment is on its way: said to the eye by a bar, and by aria-busy.
  const SOON = 300;
  const waiting = new Map();

  document.addEventListener("htmx:beforeRequest", (event) => {
    const { xhr, target } = event.detail;
    if (isUnasked(event)) return;
    waiting.set(xhr, window.setTimeout(() => {
      target?.setAttribute("aria-busy", "true");
      byId("busy").hidden = false;
    }, SOON));
    // Of what was pressed and has been exchanged since, htmx says to the page neither that it was answered nor how.
    xhr.addEventListener("loadend", () => {
      window.clearTimeout(waiting.get(xhr));
      waiting.delete(xhr);
      target?.removeAttribute("aria-busy");
      if (!waiting.size) byId("busy").hidden = true;
    });
  });

  // --- live updates ---------------------------------------------------------------------------------------------
  // The stream only says that something changed; the page then looks again. While there is no stream it looks again
  // at its own pace (data-poll, in ms). What came during a request, or while the stream was away, is looked up too.
  // On the list a filter or a page that a person asked for goes before: it ends a look that is under way, no look
  // begins while it is out, and what was missed in the meantime is looked up after it, at the address it has led to.
  // So is what was heard during a look: it may have been read before that. And a look that came to nothing, for another
  // one was out or the server was not reached, is taken again.
  const live = {
    ...{ element: null, isConnected: false, heard: 0, hasNewFigures: false },
    ...{ hasMissed: false, isBehind: false, hasFailed: false, isBellBehind: false },
  };

  function shownVersion() {
    return Number(byId("customer")?.dataset.version ?? 0);
  }

  function look() {
    const target = live.element?.querySelector("[data-live]");
    if (target) htmx.trigger(target, "c360:refresh");
  }

  // A look that begins makes good for what was missed before it ("htmx:beforeSend"). While another request is out none
  // begins.
  document.addEventListener("c360:refresh", () => { live.hasMissed = live.isBehind = true; }, true);

  // What shows the person's own notifications. What they are at with the keyboard is not taken away under them: later.
  const BELL_PACE = 60000;

  function ring() {
    live.isBellBehind = false;
    for (const element of document.querySelectorAll("[data-bell]")) {
      const isInUse = element.id !== "bell" && element.contains(document.activeElement);
      if (isInUse) live.isBellBehind = true;
      else htmx.trigger(element, "c360:bell");
    }
  }

  function setConnected(isConnected) {
    live.isConnected = isConnected;
    const badge = document.querySelector(".live");
    if (!badge) return;
    badge.dataset.state = isConnected ? "live" : "polling";
    badge.textContent = isConnected ? said.live : said.checking;
  }

  function startLive() {
    document.body.addEventListener("htmx:sseOpen", () => { setConnected(true); look(); ring(); });
    for (const name of ["htmx:sseError", "htmx:sseClose"]) {
      document.body.addEventListener(name, () => setConnected(false));
    }
    window.setInterval(() => { if (!live.isConnected || live.isBellBehind) ring(); }, BELL_PACE);
    live.element = document.querySelector("[sse-connect][data-poll]");
    if (!live.element) return;
    const pace = Number(live.element.dataset.poll);
    window.setInterval(() => {
      const isBehind = live.isBehind || live.hasFailed || live.hasNewFigures || live.heard > shownVersion();
      if (!live.isConnected || isBehind) look();
    }, pace);
    // Of figures the stream tells a page of many customers nothing: one that shows them looks again while it is seen.
    const refresh = Number(live.element.dataset.refresh);
    if (refresh) {
      window.setInterval(() => {
        if (live.isConnected && document.visibilityState === "visible") look();
      }, refresh);
    }
  }

  // No cookies to the stream: the ticket in its address is all it needs.
  htmx.createEventSource = (url) => {
    const source = new EventSource(url);
    source.addEventListener("changed", (event) => {
      live.hasMissed = live.isBehind = true;
      if (byId("customer")) live.heard = Math.max(live.heard, Number(event.data));
    });
    source.addEventListener("figures", () => {
      live.hasNewFigures = live.hasMissed = true;
      look();
    });
    source.addEventListener("bell", ring);
    return source;
  };

  // --- the dialog -----------------------------------------------------------------------------------------------
  function openDialog() {
    const dialog = document.querySelector("#dialog-slot dialog");
    if (!dialog || dialog.open) return;
    dialog.addEventListener("close", () => { dialog.remove(); focusOpener(); });
    dialog.showModal();
    window.c360Drafts?.restore(dialog.querySelector("form"));
    (dialog.querySelector("[data-focus]") ?? dialog.querySelector("input:checked, input[type=radio]:enabled"))?.focus();
    applyChoice(dialog);
  }

  function focusOpener() {
    // On the board it is a card's; which one, the board says.
    (byId("change-stage") ?? byId(document.body.dataset.opener) ?? byId("main")).focus({ preventScroll: true });
  }

  // The page may be exchanged under the button that had the focus, at the very moment it got it: it keeps it.
  let isOpenerFocused = false;
  document.addEventListener("focusin", (event) => { isOpenerFocused = event.target.id === "change-stage"; });
  document.addEventListener("pointerdown", () => { isOpenerFocused = false; });

  function keepFocus() {
    if (isOpenerFocused && document.activeElement === document.body) focusOpener();
  }

  // Only the fields of the chosen stage take part: the others are neither required nor sent.
  function applyChoice(scope) {
    for (const option of scope.querySelectorAll(".option")) {
      const isChosen = option.querySelector("input[type=radio]").checked;
      for (const field of option.querySelectorAll(".detail :is(input, select, textarea)")) field.disabled = !isChosen;
    }
  }

  document.addEventListener("c360:restored", (event) => {
    const form = event.target;
    if (form.matches(".move")) applyChoice(form);
    form.prepend(byId("restored").content.cloneNode(true));
  });

  document.addEventListener("change", (event) => {
    const form = event.target.closest("form.move");
    if (form && event.target.type === "radio") applyChoice(form);
  });

  document.addEventListener("click", (event) => {
    const closer = event.target.closest("[data-close]");
    const dialog = closer?.closest("dialog");
    if (dialog) {
      event.preventDefault();
      dialog.close();
    }
    const filler = event.target.closest("[data-fill-username]");
    if (filler) {
      byId("username").value = filler.dataset.fillUsername;
      byId("password").value = filler.dataset.fillPassword;
      byId("password").focus();
    }
  });

  // --- what htmx reports ------------------------------------------------------------------------------------------
  let announcedVersion = shownVersion();

  // Not before htmx has wired what is in it: a key pressed earlier would send the form past htmx, as another page.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id === "dialog-slot") openDialog();
  });

  // What a person has opened in the part that is exchanged stays open, and what has the focus in it keeps it.
  let kept = { opened: [], focused: "" };

  document.addEventListener("htmx:beforeSwap", (event) => {
    const part = event.detail.target;
    if (part.id !== "customer") return;
    const opened = [...part.querySelectorAll("details[open][id]")].map((one) => one.id);
    kept = { opened, focused: part.contains(document.activeElement) ? document.activeElement.id : "" };
  });

  function restoreKept() {
    for (const id of kept.opened) byId(id)?.setAttribute("open", "");
    if (document.activeElement === document.body) byId(kept.focused)?.focus({ preventScroll: true });
  }

  // htmx gives the focus back to what has an id. Links of the first page, the list and the board have none: they are
  // known by where they lead, and which one of those it is.
  let focusedLink = null;

  const linksLike = (part, href) => [...part.querySelectorAll("a[href]")].filter((one) => one.getAttribute("href") === href);

  document.addEventListener("htmx:beforeSwap", (event) => {
    const part = event.detail.target;
    const link = document.activeElement;
    focusedLink = null;
    if (!part.hasAttribute("data-live") || !part.contains(link) || link.id || !link.matches("a[href]")) return;
    const href = link.getAttribute("href");
    focusedLink = { part: part.id, href, place: linksLike(part, href).indexOf(link) };
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    if (focusedLink === null || event.detail.target.id !== focusedLink.part) return;
    const { part, href, place } = focusedLink;
    focusedLink = null;
    if (document.activeElement !== document.body) return;
    const alike = linksLike(byId(part), href);
    (alike[place] ?? alike[0])?.focus({ preventScroll: true });
  });

  document.addEventListener("htmx:load", (event) => {
    const customer = event.detail.elt;
    if (customer.id !== "customer") return;
    restoreKept();
    const version = shownVersion();
    if (version > announcedVersion) {
      announce(customer.dataset.announcement);
      customer.querySelector(".stage-now")?.classList.add("fresh");
    }
    announcedVersion = version;
    keepFocus();
  });

  // The server has moved the customer as the dialog asked.
  document.addEventListener("c360:moved", () => document.querySelector("#dialog-slot dialog")?.close());

  // What was pressed twice before there was an answer opens one dialog, and what is typed into it by then stays.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, requestConfig } = event.detail;
    const isOpen = target.id === "dialog-slot" && target.querySelector("dialog[open]");
    if (isOpen && requestConfig.verb === "get") event.detail.shouldSwap = false;
  });

  document.addEventListener("htmx:configRequest", (event) => {
    // Filters that are not set stay out of the address.
    if (event.detail.verb !== "get") return;
    for (const [name, value] of [...event.detail.formData.entries()]) {
      if (value === "") event.detail.formData.delete(name);
    }
  });

  // What a person has unfolded in a part that looks for what is new stays unfolded, unless they ask for something else.
  let unfolded = null;

  document.addEventListener("htmx:beforeSwap", (event) => {
    const part = event.detail.target;
    unfolded = null;
    if (!part.hasAttribute("data-live") || part.id === "customer") return;
    const opened = [...part.querySelectorAll("details[open][id]")].map((one) => one.id);
    unfolded = { part: part.id, opened };
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    if (unfolded === null || event.detail.target.id !== unfolded.part) return;
    for (const id of unfolded.opened) byId(id)?.setAttribute("open", "");
    unfolded = null;
  });

  const isBackground = (event) => event.detail.elt?.matches("[data-live]");
  // What asks every two seconds how far something is: it has changed nothing, and asks again.
  const isPolling = (event) => event.detail.elt?.matches('[hx-trigger^="every"]');
  const isUnasked = (event) => event.detail.elt?.matches("[data-live], [data-bell]");

  document.addEventListener("htmx:beforeSend", (event) => {
    if (isBackground(event)) live.hasNewFigures = live.hasMissed = live.isBehind = live.hasFailed = false;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful || !isUnasked(event)) return;
    if (isBackground(event)) live.hasFailed = true;
    else live.isBellBehind = true;
  });
  // What came while something was pressed is looked up after it, or after the wish that the press began.
  document.addEventListener("c360:held", ({ target }) => {
    if (target.matches("[data-live]")) live.hasMissed = true;
  });
  document.addEventListener("c360:let-go", ({ target }) => {
    if (target.matches("[data-live]")) look();
    if (target.matches("[data-bell]")) ring();
  });

  // What is under way when the page is left is no error: the console says nothing of it, unless the page stays, as it
  // does when a file is sent.
  const PATIENCE = 5000;
  let isLeft = false;
  const broken = [];
  const stay = () => {
    isLeft = false;
    for (const handle of broken.splice(0)) handle();
  };
  window.addEventListener("beforeunload", () => {
    isLeft = true;
    window.setTimeout(stay, PATIENCE);
  });
  window.addEventListener("pageshow", stay);
  document.addEventListener("htmx:beforeSend", ({ detail: { xhr } }) => {
    for (const kind of ["onabort", "onerror"]) {
      const handle = xhr[kind];
      xhr[kind] = () => { if (isLeft) broken.push(handle); else handle(); };
    }
  });
  document.addEventListener("htmx:sendAbort", (event) => {
    if (isBackground(event)) live.hasMissed = true;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.target?.id !== "results") return;
    // A look that was not shown for something is pressed would not be shown the next time either.
    const isMissing = isBackground(event) ? () => live.isBehind : () => live.hasMissed;
    // Later: htmx takes the next request only when it is done with this one.
    window.setTimeout(() => { if (isMissing()) look(); });
  });

  // --- the back button ------------------------------------------------------------------------------------------
  // One entry for an address, and one for a search however many letters it was typed in.
  let wasTyped = false;
  document.addEventListener("htmx:beforeHistoryUpdate", (event) => {
    const update = event.detail.history;
    const isTyped = event.detail.requestConfig.triggeringEvent?.type === "input";
    const isSame = new URL(update.path, location.href).href === location.href;
    if (isSame || (isTyped && wasTyped)) update.type = "replace";
    wasTyped = isTyped || (isSame && wasTyped);
  });

  document.addEventListener("htmx:sendError", (event) => {
    if (!isUnasked(event)) showTrouble(said.unreachable);
  });
  document.addEventListener("htmx:responseError", (event) => {
    if (isUnasked(event)) return;
    const { status, responseText } = event.detail.xhr;
    if (status === 403) {
      window.c360Drafts?.returning();
      showTrouble(readSentence(responseText) || said.denied);
    } else if (status === 404) {
      showTrouble(said.gone);
    } else if (!isPolling(event)) {
      showTrouble(said.failed);
    }
  });

  // What the error page says, in its own words.
  function readSentence(page) {
    return new DOMParser().parseFromString(page, "text/html").querySelector("main p.soft")?.textContent.trim();
  }

  // --- keys that come early ---------------------------------------------------------------------------------------
  // The browser heeds autofocus only with some later frame: anyone who types before it would type into nothing.
  if (document.activeElement === document.body) document.querySelector("[autofocus]")?.focus();

  // What was typed or chosen in the filters before htmx listened counts as if it had been now.
  document.addEventListener("DOMContentLoaded", () => {
    for (const form of document.querySelectorAll("form.filters")) {
      if ([...form.elements].some(isChanged)) form.requestSubmit();
    }
  });

  function isChanged(field) {
    if (field.matches("input:not([type=hidden], [type=checkbox])")) return field.value !== field.defaultValue;
    if (!field.matches("select")) return false;
    const shown = [...field.options].findIndex((option) => option.defaultSelected);
    return field.selectedIndex !== Math.max(0, shown);
  }

  showConnection();
  startLive();
  openDialog();

  // After a log-in in the middle of a change: its dialog opens again, with what was typed.
  document.addEventListener("DOMContentLoaded", () => {
    const opener = byId("change-stage");
    if (opener && window.c360Drafts?.isWaiting(new URL(opener.href).pathname)) opener.click();
  });
})();

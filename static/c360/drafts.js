// What was typed into the forms of a page is kept for this tab while it is being typed, and put back after the session had
// expired: by then a poll, a submit or a link has led to the log-in page. The same where the hour is over for which internal
// staff work for a tenant, and they have to choose it again: it is that person's in that tenant. Passwords and files are
// never kept.
"use strict";

(() => {
  const KEY = "c360:draft";
  const RETURNING = "c360:returning";
  const LONGEST_AWAY_MS = 60 * 60 * 1000;
  const user = document.querySelector("meta[name=c360-user]")?.content ?? "";
  const isLogIn = document.querySelector("meta[name=c360-log-in]") !== null;

  function read() {
    try {
      const draft = JSON.parse(sessionStorage.getItem(KEY));
      // One of a former release has no forms.
      return draft?.forms ? draft : null;
    } catch {
      return null;
    }
  }

  function forget() {
    sessionStorage.removeItem(KEY);
    sessionStorage.removeItem(RETURNING);
  }

  // One form, put back or cancelled; what was typed into the others of the page stays, and waits for no other page.
  function forgetForm(form) {
    const draft = read();
    if (!draft?.forms[pathOf(form)]) return;
    delete draft.forms[pathOf(form)];
    forget();
    if (Object.keys(draft.forms).length) sessionStorage.setItem(KEY, JSON.stringify(draft));
  }

  const pathOf = (form) => new URL(form.getAttribute("action") || location.href, location.href).pathname;
  const isKept = (form) => form?.matches("form[method=post]") && !form.querySelector("input[type=password]") && user && !isLogIn;

  // Whether it is kept.
  function keep(form) {
    const fields = [...new FormData(form)].filter(([name, value]) => typeof value === "string" && name !== "csrfmiddlewaretoken");
    const before = read();
    const isOfPage = before?.page === location.pathname && before.user === user;
    if (!isOfPage) forget();
    const forms = { ...(isOfPage ? before.forms : {}), [pathOf(form)]: fields };
    try {
      sessionStorage.setItem(KEY, JSON.stringify({ page: location.pathname, user, at: Date.now(), forms }));
      return true;
    } catch {
      // More than the tab may keep: the form works without.
      return false;
    }
  }

  // The forms, by their paths, for which something waits since this page was opened.
  const awaited = new Set();

  // Puts a draft of this form's back, if there is one; true if it did.
  function restore(form) {
    const fields = read()?.forms[pathOf(form)];
    if (!awaited.delete(pathOf(form)) || !fields) return false;
    forgetForm(form);
    if (form.dataset.restore === "resubmit") {
      resubmit(form, fields);
      return true;
    }
    const values = new Map();
    for (const [name, value] of fields) values.set(name, [...(values.get(name) ?? []), value]);
    for (const field of form.elements) {
      if (!field.name || ["hidden", "submit", "button", "file", "password"].includes(field.type)) continue;
      const kept = values.get(field.name);
      if (field.type === "checkbox" || field.type === "radio") {
        field.checked = !field.disabled && (kept ?? []).includes(field.value);
      } else if (field.type === "select-multiple") {
        for (const option of field.options) option.selected = (kept ?? []).includes(option.value);
      } else if (kept !== undefined) {
        field.value = kept[0];
      }
    }
    form.dispatchEvent(new CustomEvent("c360:restored", { bubbles: true }));
    return true;
  }

  // A form whose rows the server lays out: it gets the fields as they were, to check and not to save.
  function resubmit(form, fields) {
    const copy = document.createElement("form");
    copy.method = "post";
    copy.action = form.getAttribute("action") || location.href;
    copy.hidden = true;
    const token = form.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
    for (const [name, value] of [...fields.filter(([name]) => name !== "do"), ["do", "check"], ["csrfmiddlewaretoken", token]]) {
      const field = document.createElement("textarea");
      field.name = name;
      field.value = value;
      copy.append(field);
    }
    document.body.append(copy);
    copy.submit();
  }

  for (const type of ["input", "change"]) {
    document.addEventListener(type, (event) => { if (isKept(event.target.form)) keep(event.target.form); });
  }
  document.addEventListener("submit", (event) => {
    if (pathOf(event.target).endsWith("/logout")) forget();
    else if (isKept(event.target)) keep(event.target);
  }, true);
  // With a dialog goes what was typed into it, moved or not, and nothing that was typed beside it.
  document.addEventListener("close", ({ target }) => {
    for (const form of target.querySelectorAll("form")) forgetForm(form);
  }, true);

  window.c360Drafts = {
    keep: (form) => isKept(form) && keep(form),
    restore,
    returning: () => sessionStorage.setItem(RETURNING, "1"),
    isWaiting: (path) => awaited.has(path),
  };

  const draft = read();
  if (isLogIn) {
    if (draft) sessionStorage.setItem(RETURNING, "1");
  } else if (user) {
    const isStale = draft && (draft.user !== user || Date.now() - draft.at > LONGEST_AWAY_MS);
    if (isStale || !sessionStorage.getItem(RETURNING)) forget();
    else for (const path of Object.keys(draft?.forms ?? {})) awaited.add(path);
    // Once all scripts are there: one of them says that what was typed is back.
    document.addEventListener("DOMContentLoaded", () => {
      for (const form of document.querySelectorAll("form[method=post]")) {
        if (isKept(form) && restore(form) && form.dataset.restore === "resubmit") break;
      }
    });
  }
})();

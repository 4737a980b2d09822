// A file that is too large is refused before it is sent: a server that refuses it half-way ends the connection.
"use strict";

(() => {
  const field = document.querySelector("input[data-largest]");
  field?.addEventListener("change", () => {
    const isTooLarge = [...field.files].some((file) => file.size > Number(field.dataset.largest));
    field.setCustomValidity(isTooLarge ? field.dataset.tooLarge : "");
    field.reportValidity();
  });
})();

// What pages cannot do without a script: take a sign-in link's secret out of the address, and accept a dropped file.
(() => {
  "use strict";

  function useSignInLink() {
    const form = document.getElementById("link-form");
    const secret = new URLSearchParams(location.hash.slice(1)).get("link");
    if (!form || !secret) return;
    history.replaceState(null, "", location.pathname + location.search); // keep it out of the history
    document.getElementById("link-details").open = true;
    form.elements.link.value = secret;
    form.requestSubmit();
  }

  function acceptDrops() {
    for (const zone of document.querySelectorAll("[data-drop]")) {
      const input = zone.querySelector("input[type=file]");
      const over = (on) => (event) => { event.preventDefault(); zone.classList.toggle("over", on); };
      zone.addEventListener("dragover", over(true));
      zone.addEventListener("dragleave", over(false));
      zone.addEventListener("drop", (event) => {
        over(false)(event);
        if (!event.dataTransfer.files.length) return;
        input.files = event.dataTransfer.files;
        input.form.requestSubmit();
      });
    }
  }

  // An error page that htmx fetched in the background must not replace a part of the page that still works.
  document.addEventListener("htmx:before:swap", (event) => {
    const ctx = event.detail.ctx;
    const status = ctx && ctx.response && ctx.response.raw ? ctx.response.raw.status : 200;
    if (status >= 500 || (status >= 400 && ctx.request.method === "GET")) event.preventDefault();
  });

  document.addEventListener("DOMContentLoaded", () => { useSignInLink(); acceptDrops(); });
})();

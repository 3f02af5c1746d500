// Parts of the page that change are fetched anew and exchanged; the server makes all of the HTML.
"use strict";

const PERIOD_MS = 5000;

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "manual" });
    if (answer.type === "opaqueredirect") {
      location.assign("/login");
      return;
    }
    if (!answer.ok) throw new Error(answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of document.querySelectorAll("[data-live]")) {
      const part = fresh.querySelector(`[data-live="${old.dataset.live}"]`);
      const inUse = old.contains(document.activeElement) || old.querySelector("details[open]") || !document.getSelection().isCollapsed;
      if (part && !inUse && part.innerHTML !== old.innerHTML) old.replaceWith(document.adoptNode(part));
    }
    document.body.classList.remove("stale");
  } catch {
    document.body.classList.add("stale");
  }
}

if (document.querySelector("[data-live]")) {
  setInterval(refresh, PERIOD_MS);
  document.addEventListener("visibilitychange", refresh);
}
for (const list of document.querySelectorAll(".filters select")) list.addEventListener("change", () => list.form.requestSubmit());

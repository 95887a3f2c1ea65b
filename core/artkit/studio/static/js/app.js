// The page: shows what the address after # names.

import { h } from "./dom.js";

const main = document.getElementById("main");
const pages = {
  gallery: () => import("./gallery.js"),
  new: () => import("./new.js"),
  run: () => import("./run.js"),
  files: () => import("./files.js"),
  compare: () => import("./compare.js"),
};
let leave = () => {};
let shown = "";

/** Show or hide the message that the server does not answer. */
export function connection(connected) {
  const message = document.getElementById("offline");
  message.hidden = connected;
  message.textContent = connected ? "" : "The studio does not answer. Runs go on; this page connects again by itself.";
}

async function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  if (location.hash === "#main") return;
  const [kind, ...rest] = path.split("/");
  const page = kind in pages ? kind : "gallery";
  const name = rest.map(decodeURIComponent).join("/");
  if (shown === (location.hash || "#/")) return;
  const changed = Boolean(shown);
  shown = location.hash || "#/";
  leave();
  leave = () => {};
  for (const link of document.querySelectorAll("[data-page]")) {
    if (link.dataset.page === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const hash = location.hash;
  try {
    const { show } = await pages[page]();
    if (hash !== location.hash) return;
    main.replaceChildren();
    const left = await show(main, name, new URLSearchParams(query), connection);
    if (hash === location.hash) leave = left ?? (() => {});
    else left?.();
  } catch (error) {
    main.replaceChildren(h("div", { class: "empty" }, h("h1", {}, "This cannot be shown"), h("p", { role: "alert" }, error.message), h("a", { class: "button", href: "#/" }, "Gallery")));
  }
  if (changed && document.activeElement === document.body) main.focus(); // so that Tab goes on from the new page
  document.title = `${name || { gallery: "Gallery", new: "New painting", files: "Files" }[page] || "artkit"} · artkit studio`;
  main.dataset.ready = page;
}

document.documentElement.classList.toggle("embed", new URLSearchParams(location.search).has("embed"));
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
addEventListener("hashchange", route);
route();

// The files that belong to no run: saved recipes, uploads, and the trash.

import { address, get, restore, send } from "./api.js";
import { bytes, deleteAfterQuestion, h, keepFocus, toast } from "./dom.js";

export async function show(main) {
  const page = h("div", { class: "page" });
  main.append(page);

  async function refresh() {
    const { recipes, uploads, trash } = await get("/api/files");
    keepFocus(page, () => page.replaceChildren(h("h1", {}, "Files"),
      section("Saved recipes", recipes.map(recipeRow), "Recipes that you save under New painting appear here."),
      section("Photos and clips", uploads.map(uploadCard), "Photos, clips and masks that you upload appear here.", "gallery"),
      trash.length ? section("Trash", trash.map(trashRow), "") : "", trash.length ? h("p", { class: "soft" }, "To free the space, delete files of the folder trash by hand.") : ""));
  }

  const section = (title, items, empty, kind = "rows") => h("section", { class: "sheet", "aria-label": title }, h("h2", {}, title),
    items.length ? h("ul", { class: kind }, items) : h("p", { class: "soft" }, empty));

  const recipeRow = ({ name, description }) => h("li", {}, h("div", {}, h("b", {}, name), h("p", { class: "soft" }, description)),
    h("div", { class: "row" }, h("a", { class: "button", href: `#/new?saved=${encodeURIComponent(name)}`, "aria-label": `Use ${name}` }, "Use"),
      h("button", { type: "button", class: "quiet", "aria-label": `Delete the recipe ${name}`, onclick: () => deleteFile(`the recipe ${name}`, "", `/api/recipes/${encodeURIComponent(name)}`, `recipes/${name}.toml`) }, "Delete")));

  function uploadCard({ name, path, bytes: count, version, is_clip: clip, used_by: users }) {
    const used = users.length ? `Used by ${users.slice(0, 3).join(", ")}${users.length > 3 ? ` and ${users.length - 3} more` : ""}` : "";
    const question = used ? `${used}, and needed there. ` : "";
    return h("li", { class: "card" }, h("div", { class: "picture" }, h("img", { alt: "", loading: "lazy", decoding: "async", src: address("/api/picture", { path, side: 512, v: version }) })),
      h("div", { class: "caption" }, h("a", { href: `#/new?upload=${encodeURIComponent(name)}`, "aria-label": `Paint ${name}` }, name), h("span", { class: "soft numbers" }, [clip && "clip", bytes(count)].filter(Boolean).join(" · ")), used && h("span", { class: "soft" }, used)),
      h("button", { type: "button", class: "icon menu", "aria-label": `Delete ${name}`, title: "Delete", onclick: () => deleteFile(name, question, `/api/uploads/${encodeURIComponent(name)}`, `uploads/${name}`) }, "×"));
  }

  const trashRow = (trashed) => {
    const name = trashed.replaceAll("~", "/");
    return h("li", {}, h("span", {}, name), h("button", { type: "button", "aria-label": `Restore ${name}`, onclick: () => restore(trashed, name).then(refresh).catch((error) => toast(error.message)) }, "Restore"));
  };

  const deleteFile = (what, text, path, place) => deleteAfterQuestion({ what, text: `${text}It moves into the folder trash, from which it can be restored.`,
    remove: () => send("DELETE", path), restore: (trashed) => restore(trashed, place), changed: refresh });

  await refresh();
}

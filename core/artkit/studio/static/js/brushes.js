// The sheet of brushes, which are chosen by their strokes.

import { address, get } from "./api.js";
import { h } from "./dom.js";

const POLL_MS = 700; // while strokes are painted
const SCROLL_MARGIN = 60; // px above the chosen brush

export class BrushSheet {
  /** schema: of recipes. choose: is called with the name of a brush. */
  constructor(schema, choose) {
    Object.assign(this, { schema, choose, tree: {} });
    this.brushes = h("div", { class: "brushes", role: "radiogroup", "aria-label": "Brush" });
    const search = h("input", { type: "search", placeholder: "Search brushes", "aria-label": "Search brushes", oninput: () => this.filter(search.value.toLowerCase()) });
    this.element = h("section", { class: "sheet", "aria-label": "Brush" }, h("div", { class: "row between" }, h("h2", {}, "Brush"), h("div", {}, search)), this.brushes);
  }

  /** Show all brushes, and their strokes as soon as they are painted. */
  async load() {
    const { brushes, running } = await get("/api/brushes").catch(() => ({ brushes: [], running: false }));
    if (!this.element.isConnected) return;
    if (brushes.length && !this.brushes.children.length) {
      this.brushes.append(...brushes.map(({ name }) => this.brush(name)));
      this.select(this.tree, true);
    }
    for (const image of this.brushes.querySelectorAll("img:not([src])")) {
      const known = brushes.find(({ name, sample }) => name === image.dataset.source && sample);
      if (known) image.src = address("/api/brush", { name: known.name, v: known.sample });
    }
    if (running) setTimeout(() => this.load(), POLL_MS);
  }

  brush(name) {
    const image = h("img", { alt: "", loading: "lazy" });
    image.dataset.source = name;
    return h("label", { class: "choice brush" }, h("input", { type: "radio", name: "brush", value: name, "aria-label": name, onchange: () => this.choose(name) }),
      image, h("span", {}, name.replace(/[/_]/g, "$&\u200b"))); // a line may end there
  }

  /** Check the brush of a recipe; a renderer without brushes hides the sheet. */
  select(tree, scroll = false) {
    this.tree = tree;
    const { type = "mypaint", brush } = tree.renderer ?? {};
    const properties = this.schema.$defs[`renderer.${type}`]?.properties ?? {};
    this.element.hidden = !("brush" in properties);
    const wanted = String(brush ?? properties.brush?.default ?? "");
    const input = [...this.brushes.querySelectorAll("input")].find(({ value }) => value === wanted || value === `classic/${wanted}`);
    if (input && !input.checked) input.checked = true;
    if (input && scroll) this.brushes.scrollTop = input.closest(".brush").offsetTop - SCROLL_MARGIN;
  }

  /** Show the brushes with some words in their names, and the checked one, which leads to the others by keyboard. */
  filter(words) {
    for (const label of this.brushes.children) label.hidden = !label.control.value.toLowerCase().includes(words) && !label.control.checked;
  }
}

// Loss curves as SVG.

import { counted, h, number } from "./dom.js";

const WIDTH = 300, HEIGHT = 80;
const MAX_CURVES = 6;
const MAX_POINTS = 2 * WIDTH;

/** Curves of all losses of a run, to which points are appended. */
export class Curves {
  constructor() {
    this.element = h("div", { class: "stack" });
    this.reset();
  }

  reset() {
    this.steps = [];
    this.losses = {};
  }

  /** Append points: their steps, and values by name. The first points have the index 0. */
  add({ from, steps, losses }, changes = []) {
    if (from === 0) this.reset();
    const before = this.steps.length;
    this.steps.push(...steps);
    for (const [name, values] of Object.entries(losses)) {
      this.losses[name] ??= Array(before).fill(null);
      this.losses[name].push(...values);
    }
    this.changes = changes;
    this.draw();
  }

  draw() {
    let names = Object.keys(this.losses).sort((a, b) => (b === "loss") - (a === "loss")); // the sum first
    if (names.length === 2) names = names.filter((name) => name !== "loss"); // it is that of the only objective
    this.element.replaceChildren(...names.slice(0, MAX_CURVES).map((name) => this.curve(name)));
  }

  curve(name) {
    const stride = Math.ceil(this.steps.length / MAX_POINTS), end = this.steps.length - 1;
    const points = this.steps.map((step, index) => [step, this.losses[name][index]]).filter(([, value], index) => Number.isFinite(value) && (index % stride === 0 || index === end));
    const values = points.map(([, value]) => value);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const last = Math.max(1, this.steps.at(-1) ?? 1);
    const x = (step) => (step / last) * WIDTH;
    const y = (value) => (high > low ? 2 + (1 - (value - low) / (high - low)) * (HEIGHT - 4) : HEIGHT / 2);
    const d = points.map(([step, value], index) => `${index ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    const text = `${name} ${number(values[0])} to ${number(values.at(-1))} in ${counted(last + 1, "step")}`;
    return h("figure", { class: "curve" },
      h("figcaption", {}, h("span", {}, name), h("span", { class: "numbers" }, number(values.at(-1)))),
      h("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": text },
        h("line", { x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT }),
        ...this.changes.map(({ step }) => h("line", { class: "change", x1: x(step), x2: x(step), y1: 0, y2: HEIGHT })),
        h("path", { d })));
  }
}

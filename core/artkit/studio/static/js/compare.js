// Pictures of several runs: two with a slider, or any number beside each other.

import { get, runPath } from "./api.js";
import { counted, h, number, segments, uid } from "./dom.js";
import { addImage, clipLeft, createViewer, tileSource } from "./viewer.js";

const GAP = 0.03; // between pictures, in their widths

export async function show(main, names) {
  const runs = await Promise.all(names.split(",").filter(Boolean).map((name) => get(runPath(name))));
  const shown = runs.filter((run) => run.shape);
  const viewerElement = h("div", { class: "viewer" });
  const id = uid("slider");
  const slider = h("input", { type: "range", id, min: 0, max: 1000, value: 500 });
  const sliderBox = h("div", { class: "grow", hidden: true }, h("label", { for: id }, runs.map((run) => run.name).join(" | ")), slider);
  const tools = h("div", { class: "stage-tools", role: "toolbar", "aria-label": "Comparison" });
  const captions = h("div", { class: "stage-tools captions" }, ...runs.map((run) => h("p", {}, h("a", { href: `#/run/${encodeURIComponent(run.name)}` }, run.name), h("br"),
    h("span", { class: "soft numbers" }, `${run.brush ?? ""} · ${counted(run.step, "step")} · loss ${number(run.loss)}`))));
  main.append(h("section", { class: "compare", "aria-label": "Comparison" }, h("h1", { class: "visually-hidden" }, "Comparison"), h("div", { class: "stage compare" }, h("div", { class: "viewer-box" }, viewerElement), captions, tools)));
  const viewer = createViewer(viewerElement, "Comparison");
  const items = await Promise.all(shown.map((run) => addImage(viewer, { tileSource: tileSource(run.name, run.shape, new Map([])), width: 1 })));
  slider.addEventListener("input", () => clipLeft(items[1], slider.value / 1000));

  function arrange(mode) {
    sliderBox.hidden = mode !== "slider";
    const columns = mode === "slider" ? 1 : Math.ceil(Math.sqrt(items.length * (viewerElement.clientWidth > viewerElement.clientHeight ? 1.6 : 0.5))) || 1;
    const height = Math.max(...shown.map(({ shape }) => shape.height / shape.width));
    items.forEach((item, index) => {
      item.setPosition(mode === "slider" ? new OpenSeadragon.Point(0, 0) : new OpenSeadragon.Point((index % columns) * (1 + GAP), Math.floor(index / columns) * (height + GAP)), true);
      if (index) clipLeft(item, mode === "slider" ? slider.value / 1000 : 0);
    });
    viewer.viewport.goHome(true);
  }
  const modes = items.length === 2 ? [["slider", "Slider"], ["beside", "Beside each other"]] : [["beside", "Beside each other"]];
  if (items.length > 1) tools.append(segments("Show", modes, modes[0][0], arrange), sliderBox);
  arrange(modes[0][0]);
  return () => viewer.destroy();
}

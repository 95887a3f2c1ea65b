// One run: its picture as it is now, its losses, and what can be done with it.

import { RUN_QUESTION, address, get, listen, restore, runPath, send } from "./api.js";
import { Curves } from "./curves.js";
import { bytes, deleteAfterQuestion, duration, h, toast } from "./dom.js";
import { LiveImage, createViewer, zoomBy } from "./viewer.js";

const STATES = { running: "painting", starting: "starting", finished: "finished", stopped: "stopped", failed: "failed" };

export async function show(main, name, _query, connection) {
  let details = await get(runPath(name));
  const run = { name, details, state: details, video: null, stopping: false }; // video: of the film, while it is shown
  let parts = [];

  const note = h("p", { class: "viewer-note" });
  const viewerElement = h("div", { class: "viewer" });
  const tools = h("div", { class: "stage-tools", role: "toolbar", "aria-label": "Picture" });
  const stage = h("section", { class: "stage", "aria-label": "Picture" }, h("div", { class: "viewer-box" }, viewerElement, note), tools);
  const side = h("aside", { class: "side", "aria-label": "Run" });
  main.append(h("div", { class: "run" }, stage, side));

  const viewer = createViewer(viewerElement, name);
  run.viewer = viewer;
  const live = new LiveImage(viewer, name, (meta) => {
    viewerElement.dataset.shown = meta?.step ?? "";
    document.dispatchEvent(new CustomEvent("picture-shown", { detail: { lag: meta?.time ? Date.now() - meta.time * 1000 : null, step: meta?.step } }));
    for (const part of parts) part.shown?.();
  });
  run.live = live;
  viewer.addOnceHandler("tile-drawn", () => { note.hidden = true; });

  const zoomButtons = makeZoomButtons(viewer);
  tools.append(zoomButtons);

  const curves = new Curves();
  const panels = await Promise.all([import("./film.js"), import("./target.js"), import("./steer.js"), import("./replay.js"), import("./export.js")].map((module) => module.catch((error) => { console.error(error); return null; })));
  const viewChanged = () => {
    zoomButtons.hidden = viewerElement.inert = Boolean(run.video);
    for (const part of parts) part.view?.();
  };
  parts = panels.filter(Boolean).map((module) => module.panel(run, { tools, reload, viewChanged, viewerBox: viewerElement.parentElement }));
  const header = makeHeader();
  const lossPanel = h("section", { class: "panel", "aria-label": "Losses", hidden: true }, h("h2", {}, "Loss"), curves.element);
  const recipe = h("details", { class: "panel" }, h("summary", {}, "Recipe"), h("p", { class: "row" }, h("a", { class: "button", href: `#/new?run=${encodeURIComponent(name)}` }, "New painting with it")), h("pre", { tabindex: 0, "aria-label": "Recipe" }));
  const [steering, ...others] = parts.map((part) => part.element).filter(Boolean);
  side.append(header.element, steering ?? "", lossPanel, ...others, recipe);

  function makeHeader() {
    const state = h("span", { class: "state", role: "status" });
    const progress = h("progress", { "aria-label": "Progress", max: 1, value: 0 });
    const facts = h("dl", { class: "facts" });
    const message = h("p", { class: "notice", hidden: true });
    const remove = h("button", { type: "button", class: "quiet", onclick: removeRun }, "Delete");
    const element = h("header", { class: "stack" }, h("div", { class: "row between" }, h("h1", {}, name), remove), state, progress, facts, message);
    const update = (now) => {
      const active = now.state === "running" || now.state === "starting";
      state.className = `state ${now.state}`;
      const written = now.step >= now.steps && now.steps;
      state.textContent = now.state === "running" && written ? "writing the finished picture" : active && run.stopping ? "stopping after this step" : STATES[now.state];
      progress.hidden = !active;
      progress.max = Math.max(1, now.steps);
      if (now.state === "starting" && !now.step) progress.removeAttribute("value"); else progress.value = now.step;
      const rows = [[details.is_film ? "Frame" : "Step", `${now.step} of ${now.steps}`],
        active ? ["Time left", duration(now.seconds_left)] : now.seconds ? ["Painted in", duration(now.seconds)] : null,
        active && now.step_seconds ? [details.is_film ? "A frame" : "A step", `${now.step_seconds} s`] : null,
        now.memory ? ["Memory", bytes(now.memory)] : null, now.gpu_memory ? ["GPU memory", bytes(now.gpu_memory)] : null,
        live.shape ? ["Picture", `${live.shape.width} × ${live.shape.height} px`] : null].filter(Boolean);
      facts.replaceChildren(...rows.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))));
      const text = now.error || (now.notes ?? []).filter((line) => line.startsWith("note:")).map((line) => line.slice(6)).join("\n");
      message.hidden = !text;
      message.textContent = text;
      message.className = `notice${now.error ? " bad" : ""}`;
      remove.hidden = active;
      if (!live.shape) note.textContent = details.picture_error ? details.picture_error : active ? details.is_film ? "The first frame takes as long as a painting." : "The first picture comes after the first step." : now.step ? "" : "There is no picture yet.";
    };
    return { element, update };
  }

  async function removeRun() {
    const deleted = await deleteAfterQuestion({ what: name, text: RUN_QUESTION, remove: () => send("DELETE", runPath(name)), restore: (trashed) => restore(trashed, name) });
    if (deleted) location.hash = "#/";
  }

  async function reload() {
    details = await get(runPath(name));
    run.details = details;
    recipe.querySelector("pre").textContent = details.toml;
    for (const part of parts) part.details?.(details);
  }

  function setState(now) {
    const before = run.state.state;
    run.state = now;
    run.stopping &&= now.state === "running" || now.state === "starting";
    header.update(now);
    for (const part of parts) part.update?.(now);
    if (before !== now.state) reload().catch(() => {});
  }

  setState(details);
  await reload();
  const stop = listen(name, {
    state: setState,
    losses: (points) => { lossPanel.hidden = false; curves.add(points, run.details.changes); },
    picture: (shape) => { live.setShape(shape); header.update(run.state); },
    tiles: (change) => live.update(change).catch(() => {}),
    gone: () => { toast(`${name} is there no more.`); location.hash = "#/"; },
  }, connection);
  return () => { stop(); for (const part of parts) part.leave?.(); viewer.destroy(); };
}

function makeZoomButtons(viewer) {
  const zoom = (factor) => () => zoomBy(viewer, factor);
  const button = (label, text, run) => h("button", { type: "button", class: "icon", "aria-label": label, title: label, onclick: run }, text);
  return h("div", { class: "row" }, button("Zoom out", "−", zoom(1 / 1.6)), button("Zoom in", "+", zoom(1.6)),
    button("Show all of it", "⤢", () => viewer.viewport.goHome()));
}

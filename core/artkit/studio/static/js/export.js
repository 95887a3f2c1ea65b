// Export of a run to other formats and sizes, and its files.

import { address, get, runPath, send } from "./api.js";
import { bytes, field, h, keepFocus, segments, setBusy } from "./dom.js";

const FILMS = ["mp4", "webm", "gif", "webp"];
const WITHOUT_SIZE = ["json"];

export function panel(run, { reload }) {
  const format = field("Format", h("select", { onchange: draw }));
  const about = h("p", { class: "soft" });
  const sizes = h("div", { class: "stack" });
  const seconds = field("Duration, s", h("input", { type: "number", min: 1, max: 3600, value: 15 }));
  const frame = field("Frame", h("input", { type: "number", min: 1, step: 1, oninput: () => draw() }), "Empty: the whole film, or its last frame.");
  const error = h("p", { class: "error", role: "alert" });
  const status = h("p", { class: "soft", role: "status" });
  const button = h("button", { type: "button", onclick: () => start() }, "Export");
  const files = h("ul", { class: "files", "aria-label": "Files" });
  const form = h("div", { class: "stack" }, format, about, sizes, frame, seconds, h("div", { class: "row" }, button, status), error);
  const element = h("details", { class: "panel" }, h("summary", {}, "Export and files"), h("div", { class: "stack" }, form, h("h3", {}, "Files"), files));
  let kind = "finished", formats = null, poll = 0, left = false, exported = "";
  const width = field("Width", h("input", { type: "number", min: 1, step: "any", oninput: () => keepShape(width.control, height.control) }));
  const height = field("Height", h("input", { type: "number", min: 1, step: "any", oninput: () => keepShape(height.control, width.control) }));
  const dpi = field("dpi", h("input", { type: "number", min: 1, value: 300, oninput: () => draw() }));
  const pixels = h("p", { class: "soft numbers" });
  const fill = h("input", { type: "checkbox", id: "export-fill", onchange: () => keepShape(width.control, height.control) });
  const custom = h("div", { class: "stack" }, h("div", { class: "two" }, width, height), dpi, pixels, h("div", { class: "check" }, fill, h("label", { for: "export-fill" }, "Another shape: what does not fit is cut off")));
  element.addEventListener("toggle", () => { if (element.open && !formats) load(); });

  async function load() {
    ({ formats } = await get("/api/formats"));
    format.control.replaceChildren(...formats.map(({ suffix, description }) => h("option", { value: suffix }, suffix)));
    format.control.value = "png";
    sizes.replaceChildren(segments("Size", [["finished", "As finished"], ["px", "px"], ["cm", "cm"]], kind, (now) => {
      kind = now;
      const [long, other] = ratio() >= 1 ? [width.control, height.control] : [height.control, width.control];
      long.value = kind === "cm" ? 40 : 3000;
      keepShape(long, other, true);
    }), custom);
    draw();
    follow();
  }

  function ratio() {
    const shape = run.live.shape ?? { width: 1, height: 1 };
    return shape.width / shape.height;
  }

  /** Set the other side to that of the picture, unless it shall have another shape. */
  function keepShape(changed, other, always = false) {
    const value = Number(changed.value) * (changed === width.control ? 1 / ratio() : ratio());
    if (always || !fill.checked) other.value = Number(value.toFixed(kind === "cm" ? 1 : 0)) || "";
    draw();
  }

  function draw() {
    const chosen = format.control.value;
    about.textContent = formats?.find(({ suffix }) => suffix === chosen)?.description ?? "";
    const toPixels = (control) => Math.round((Number(control.value) / 2.54) * Number(dpi.control.value));
    pixels.hidden = kind !== "cm";
    pixels.textContent = `About ${toPixels(width.control)} × ${toPixels(height.control)} px.`;
    sizes.hidden = WITHOUT_SIZE.includes(chosen);
    custom.hidden = kind === "finished";
    dpi.hidden = kind !== "cm";
    frame.hidden = !run.details.is_film;
    seconds.hidden = !FILMS.includes(chosen) || (run.details.is_film && !frame.control.value); // a film has its own duration
  }

  const download = (path, text) => h("a", { href: address(`/files/${path.split("/").map(encodeURIComponent).join("/")}`, { download: 1 }), download: "" }, text);

  async function start() {
    if (button.getAttribute("aria-disabled") === "true") return;
    error.textContent = "";
    const chosen = format.control.value;
    const unit = kind === "cm" ? "cm" : "";
    const number = frame.hidden ? "" : frame.control.value;
    const size = kind === "finished" || sizes.hidden ? null : `${width.control.value}x${height.control.value}${unit}`;
    try {
      ({ path: exported } = await send("POST", runPath(run.name, "/exports"), { format: chosen, size, fill: fill.checked, dpi: size && kind === "cm" ? Number(dpi.control.value) : null,
        seconds: seconds.hidden ? null : Number(seconds.control.value), frame: Number(number) || null, file: [run.name.split("/").pop(), number && `frame-${number}`, size].filter(Boolean).join("-") }));
      follow();
    } catch (problem) {
      error.textContent = problem.message;
    }
  }

  async function follow() {
    clearTimeout(poll);
    if (left) return;
    const now = await get(runPath(run.name, "/exports")).catch(() => null);
    if (!now) return;
    setBusy(button, now.running);
    status.textContent = now.running ? "exporting …" : now.notes.map((note) => note.replace(/^note: /, "")).join("\n");
    error.textContent = now.error;
    if (now.running) { poll = setTimeout(follow, 500); return; }
    await reload();
    if (exported && !now.error) status.prepend(download(exported, `Download ${exported.split("/").pop()}`), " ");
  }

  return {
    element,
    update(state) { form.hidden = !state.replayable; },
    details({ files: list }) {
      keepFocus(files, () => files.replaceChildren(...list.map(({ path, bytes: count }) => h("li", {}, download(path, path.slice(run.name.length + 1)), h("span", { class: "soft numbers" }, bytes(count))))));
    },
    leave() { left = true; clearTimeout(poll); },
  };
}

// A mask that is painted on the picture: white where the run shall paint on, black where it stays as it is.

import { field, h } from "./dom.js";

const MAX_SIDE = 1024;
const TINT = "rgba(64, 190, 175, 0.5)";

export class Mask {
  /** shape: returns width and height of the picture. */
  constructor(viewer, shape) {
    Object.assign(this, { viewer, shape, painted: false, removed: false, canvas: null, cursor: { x: 0.5, y: 0.5 }, erasing: false });
    this.toggle = h("button", { type: "button", "aria-pressed": "false", onclick: () => (this.canvas ? this.close() : this.open()) }, "Paint a mask");
    this.remove = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => { this.close(); this.removed = true; this.remove.textContent = "The mask will be removed"; } }, "Remove the mask");
    this.size = field("Size of the brush", h("input", { type: "range", min: 1, max: 50, value: 14 }));
    this.outside = field("Weight outside the mask", h("input", { type: "range", min: 0, max: 100, value: 0, oninput: () => this.describe() }));
    this.outsideText = h("p", { class: "soft" });
    this.eraser = h("button", { type: "button", "aria-pressed": "false", onclick: () => { this.erasing = !this.erasing; this.eraser.setAttribute("aria-pressed", String(this.erasing)); } }, "Erase");
    this.tools = h("div", { class: "stack", hidden: true }, this.size, this.outside, this.outsideText,
      h("div", { class: "row" }, this.eraser, h("button", { type: "button", onclick: () => this.clear() }, "Clear")),
      h("p", { class: "soft" }, "Paint on the picture with the pointer. With the keyboard: arrow keys move, Space paints, Shift and an arrow key paint a line."));
    this.element = h("div", { class: "stack" }, h("div", { class: "row" }, this.toggle, this.remove), this.tools);
    this.describe();
  }

  describe() {
    const share = Number(this.outside.control.value);
    this.outsideText.textContent = share ? `There objectives have ${share} % of their weight.` : "The rest stays as it is; only what you paint is worked on.";
    this.outside.control.setAttribute("aria-valuetext", `${share} %`);
  }

  canRemove(there) {
    this.remove.hidden = !there;
    if (!there) this.removed = false;
    this.remove.textContent = "Remove the mask";
  }

  open() {
    const shape = this.shape();
    if (!shape) return;
    const scale = Math.min(1, MAX_SIDE / Math.max(shape.width, shape.height));
    const [width, height] = [Math.max(1, Math.round(shape.width * scale)), Math.max(1, Math.round(shape.height * scale))];
    this.canvas = h("canvas", { class: "mask-canvas", width, height, tabindex: 0, role: "application", "aria-label": "Mask: arrow keys move, Space paints, Shift and an arrow key paint a line" });
    this.context = this.canvas.getContext("2d");
    this.marks = document.createElement("canvas"); // the mask without the cursor
    Object.assign(this.marks, { width, height });
    this.viewer.addOverlay({ element: this.canvas, location: new OpenSeadragon.Rect(0, 0, 1, height / width) });
    this.viewer.setMouseNavEnabled(false);
    this.viewer.setKeyboardNavEnabled(false);
    let last = null;
    const at = (event) => { const box = this.canvas.getBoundingClientRect(); return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height }; };
    this.canvas.addEventListener("pointerdown", (event) => { event.stopPropagation(); this.canvas.setPointerCapture(event.pointerId); last = at(event); this.line(last, last); });
    this.canvas.addEventListener("pointermove", (event) => { if (!last) return; const next = at(event); this.line(last, next); last = next; });
    for (const kind of ["pointerup", "pointercancel"]) this.canvas.addEventListener(kind, () => { last = null; });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("focus", () => this.draw());
    this.canvas.addEventListener("blur", () => this.draw());
    this.tools.hidden = false;
    this.removed = false;
    this.toggle.setAttribute("aria-pressed", "true");
    this.toggle.textContent = "Close the mask";
    this.canvas.focus();
  }

  close() {
    if (!this.canvas) return;
    this.viewer.removeOverlay(this.canvas);
    this.viewer.setMouseNavEnabled(true);
    this.viewer.setKeyboardNavEnabled(true);
    this.canvas = null;
    this.painted = false;
    this.tools.hidden = true;
    this.toggle.setAttribute("aria-pressed", "false");
    this.toggle.textContent = "Paint a mask";
  }

  clear() {
    this.marks.getContext("2d").clearRect(0, 0, this.marks.width, this.marks.height);
    this.painted = false;
    this.draw();
  }

  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    if (!move && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    const before = { ...this.cursor };
    if (move) {
      const step = this.radius() / 2;
      this.cursor.x = Math.min(1, Math.max(0, this.cursor.x + (move[0] * step) / this.marks.width));
      this.cursor.y = Math.min(1, Math.max(0, this.cursor.y + (move[1] * step) / this.marks.height));
    }
    if (!move || event.shiftKey) this.line(before, this.cursor);
    this.draw();
  }

  radius() { return (Number(this.size.control.value) / 200) * Math.max(this.marks.width, this.marks.height); }

  line(from, to) {
    const context = this.marks.getContext("2d");
    const { width, height } = this.marks;
    context.globalCompositeOperation = this.erasing ? "destination-out" : "source-over";
    Object.assign(context, { lineCap: "round", lineJoin: "round", lineWidth: 2 * this.radius(), strokeStyle: "#fff" });
    context.beginPath();
    context.moveTo(from.x * width, from.y * height);
    context.lineTo(to.x * width + 0.01, to.y * height);
    context.stroke();
    this.cursor = { ...to };
    this.painted = true;
    this.draw();
  }

  draw() {
    if (!this.canvas) return;
    const { context } = this;
    const { width, height } = this.marks;
    context.clearRect(0, 0, width, height);
    context.globalCompositeOperation = "source-over";
    context.drawImage(this.marks, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = TINT;
    context.fillRect(0, 0, width, height);
    context.globalCompositeOperation = "source-over";
    if (document.activeElement === this.canvas) {
      for (const [colour, extra] of [["#000", 0], ["#fff", 2]]) {
        context.beginPath();
        context.arc(this.cursor.x * width, this.cursor.y * height, this.radius() + extra, 0, 2 * Math.PI);
        Object.assign(context, { lineWidth: 2, strokeStyle: colour });
        context.stroke();
      }
    }
  }

  /** Return the mask as a PNG in grey. */
  blob() {
    const copy = document.createElement("canvas");
    Object.assign(copy, { width: this.marks.width, height: this.marks.height });
    const context = copy.getContext("2d");
    const grey = Math.round((Number(this.outside.control.value) / 100) * 255);
    context.fillStyle = `rgb(${grey}, ${grey}, ${grey})`;
    context.fillRect(0, 0, copy.width, copy.height);
    context.drawImage(this.marks, 0, 0);
    return new Promise((resolve) => copy.toBlob(resolve, "image/png"));
  }
}

// Replay of the strokes of a run with a time slider.

import { address, get, runPath, send } from "./api.js";
import { counted, h, toast, uid } from "./dom.js";

const FRAME_MS = 120;

export function panel(run, { tools }) {
  const id = uid("replay");
  const image = h("img", { class: "replay-frame", alt: "" });
  const slider = h("input", { type: "range", id, min: 0, max: 0, value: 0, oninput: () => { pause(); showFrame(); } });
  const play = h("button", { type: "button", class: "icon", "aria-label": "Play", onclick: () => (timer ? pause() : start()) }, "▶");
  const count = h("span", { class: "soft numbers", role: "status" });
  const box = h("div", { class: "grow", hidden: true }, play, h("label", { for: id }, "Strokes"), slider, count);
  const button = h("button", { type: "button", hidden: true, "aria-pressed": "false", onclick: () => toggle().catch((error) => toast(error.message)) }, "Replay");
  tools.append(button, box);
  let timer = 0, poll = 0, frames = null, version = 0, shown = false;

  async function toggle() {
    shown = !shown;
    button.setAttribute("aria-pressed", String(shown));
    box.hidden = !shown;
    pause();
    if (!shown) { clearTimeout(poll); run.viewer.removeOverlay(image); return; }
    version = Date.now();
    frames = await send("POST", runPath(run.name, "/replay"));
    await waitForFrames();
  }

  async function waitForFrames() {
    if (!shown) return;
    if (frames.error) { count.textContent = frames.error; return; }
    slider.max = Math.max(0, frames.strokes.length - 1);
    const complete = frames.count && frames.strokes.length === frames.count;
    if (frames.strokes.length && !image.isConnected) {
      const { width, height } = run.live.shape;
      run.viewer.addOverlay({ element: image, location: new OpenSeadragon.Rect(0, 0, 1, height / width) });
      start();
    }
    if (!complete) {
      if (!frames.strokes.length) count.textContent = "rendering the strokes …";
      poll = setTimeout(async () => { frames = await get(runPath(run.name, "/replay")).catch(() => frames); waitForFrames(); }, 400);
    }
    if (frames.strokes.length) showFrame();
  }

  function showFrame() {
    const frame = Number(slider.value);
    image.src = address(runPath(run.name, `/replay/${frame}`), { v: version });
    count.textContent = `${frames.strokes[frame]} of ${frames.strokes.at(-1)}`;
    slider.setAttribute("aria-valuetext", counted(frames.strokes[frame], "stroke"));
  }

  function start() {
    if (Number(slider.value) >= Number(slider.max)) slider.value = 0;
    play.textContent = "❚❚";
    play.setAttribute("aria-label", "Pause");
    timer = setInterval(() => {
      if (Number(slider.value) < Number(slider.max)) { slider.value = Number(slider.value) + 1; showFrame(); }
      else if (frames.strokes.length === frames.count) pause();
    }, FRAME_MS);
  }

  function pause() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "▶";
    play.setAttribute("aria-label", "Play");
  }

  function draw() {
    button.hidden = !run.state.replayable || Boolean(run.video);
    if (button.hidden && shown) toggle();
  }

  return {
    update: draw,
    view: draw,
    leave() { pause(); clearTimeout(poll); shown = false; },
  };
}

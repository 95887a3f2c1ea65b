// What a run paints: in the place of the picture with a slider, or beside it. Of a film it is the frame of the clip.

import { address, runPath } from "./api.js";
import { h, segments, toast, uid } from "./dom.js";
import { addImage, clipLeft } from "./viewer.js";

const GAP = 0.02; // between picture and target, in widths of the picture

export function panel(run, { tools, viewerBox }) {
  if (!run.details.has_target) return {};
  const { viewer, name } = run;
  const id = uid("slider");
  const slider = h("input", { type: "range", id, min: 0, max: 1000, value: 500, oninput: () => item && clipLeft(item, slider.value / 1000) });
  const sliderBox = h("div", { class: "grow", hidden: true }, h("label", { for: id }, "Picture | target"), slider);
  const choice = segments("Target", [["none", "Off"], ["slider", "Slider"], ["beside", "Beside"]], "none", (now) => { mode = now; draw(); });
  const [, sliderChoice, besideChoice] = choice.querySelectorAll("label");
  const image = h("img", { class: "film target", alt: "The frame of the clip", hidden: true }); // beside the film as a video
  let mode = "none", item = null, shown = "", loading = false;
  tools.append(choice, sliderBox);
  viewerBox.append(image);
  image.addEventListener("load", () => { loading = false; });
  image.addEventListener("error", () => { loading = false; });

  /** Return whether the target is larger on the right of a picture of this shape than below it. */
  function fitsRight({ width, height }) {
    const { clientWidth, clientHeight } = viewerBox;
    return Math.min(clientWidth / 2 / width, clientHeight / height) >= Math.min(clientWidth / width, clientHeight / 2 / height);
  }

  function draw() {
    const { video } = run;
    sliderChoice.hidden = Boolean(video);
    if (video && mode === "slider") { mode = "beside"; besideChoice.querySelector("input").checked = true; }
    const beside = Boolean(video) && mode === "beside";
    image.hidden = !beside;
    viewerBox.classList.toggle("right", beside && fitsRight(run.live.shape ?? { width: 1, height: 1 }));
    viewerBox.classList.toggle("below", beside && !viewerBox.classList.contains("right"));
    sliderBox.hidden = Boolean(video) || mode !== "slider";
    if (beside) showFrame();
    else if (!video) showItem().catch((error) => toast(error.message));
  }

  /** Show the frame of the clip at the time of the film. */
  function showFrame() {
    if (loading || image.hidden) return;
    const source = address(runPath(name, "/target"), { side: 1024, seconds: run.video.currentTime.toFixed(3) });
    if (image.src === source) return;
    loading = true;
    image.src = source;
  }

  /** Show the target in the viewer, if it is not there as it should be. */
  async function showItem() {
    const { width, height } = run.live.shape ?? { width: 1, height: 1 };
    const right = mode === "beside" && fitsRight({ width, height });
    const frame = run.details.is_film ? run.live.meta?.step : undefined;
    const wanted = mode === "none" ? "" : [mode, right, width / height, frame].join();
    if (wanted === shown || loading) return;
    const earlier = item, moved = shown.split(",")[0] !== mode;
    loading = true;
    try {
      const position = mode === "slider" ? { x: 0, y: 0 } : right ? { x: 1 + GAP, y: 0 } : { x: 0, y: height / width + GAP };
      const url = address(runPath(name, "/target"), { v: 1, ...(frame && { frame }) });
      item = mode === "none" ? null : await addImage(viewer, { tileSource: { type: "image", url, buildPyramid: false, crossOriginPolicy: false }, width: 1, ...position });
      shown = wanted;
    } finally {
      loading = false;
    }
    if (earlier) viewer.world.removeItem(earlier);
    if (item && mode === "slider") clipLeft(item, slider.value / 1000);
    if (moved) viewer.viewport.goHome();
    await showItem(); // the choice or the frame may have changed meanwhile
  }

  return {
    shown: () => { if (!run.video && mode !== "none") draw(); },
    view() {
      run.video?.addEventListener("timeupdate", showFrame);
      run.video?.addEventListener("seeked", showFrame);
      draw();
    },
  };
}

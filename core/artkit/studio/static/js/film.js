// The film of a run as a video: the finished one, or what has been painted of it.

import { address, runPath } from "./api.js";
import { h, segments } from "./dom.js";

export function panel(run, { tools, viewerBox, viewChanged }) {
  if (!run.details.is_film) return {};
  const video = h("video", { class: "film", controls: true, playsinline: true, hidden: true, "aria-label": `The film ${run.name}` });
  const note = h("p", { class: "viewer-note", hidden: true }, "The film can be watched once some frames have been saved.");
  viewerBox.append(video, note);
  let mode = run.details.state === "finished" ? "film" : "frame", version = 0, loaded = 0;
  const choice = segments("Show", [["frame", "Frame"], ["film", "Film"]], mode, (now) => { mode = now; draw(); if (version) video.play().catch(() => {}); });
  tools.prepend(choice);
  video.addEventListener("ended", () => { if (version !== loaded) { draw(); video.play().catch(() => {}); } });

  function draw() {
    const shown = mode === "film";
    video.hidden = !shown || !version;
    note.hidden = !shown || Boolean(version);
    if (!shown) video.pause();
    else if (version && version !== loaded && (video.paused || !loaded)) {
      loaded = version;
      video.src = address(runPath(run.name, "/film"), { v: version });
    }
    const seen = video.hidden ? null : video;
    if (seen !== run.video) {
      run.video = seen;
      viewChanged();
    }
  }

  return {
    update({ film }) { version = film; draw(); },
    leave() { video.pause(); video.removeAttribute("src"); },
  };
}

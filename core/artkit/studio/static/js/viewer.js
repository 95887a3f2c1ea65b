// The picture with deep zoom. New versions replace the shown one once they are loaded, so that nothing flashes.

import { address, runPath } from "./api.js";

const TILE_SIDE = 512; // as in the run's live view
const IDLE_FRAME_MS = 100; // between frames of a viewer that nobody moves
const LIVELY_MS = 2000; // after an input

// OpenSeadragon asks for every frame of the display. While somebody watches without moving, fewer of them are enough,
// so that watching leaves the processor to the run.
let lively = 0;
for (const kind of ["pointerdown", "pointermove", "wheel", "keydown", "touchmove"]) addEventListener(kind, () => { lively = performance.now() + LIVELY_MS; }, { capture: true, passive: true });
OpenSeadragon.requestAnimationFrame = (callback) => (performance.now() < lively ? requestAnimationFrame(callback) : -setTimeout(callback, IDLE_FRAME_MS));
OpenSeadragon.cancelAnimationFrame = (id) => (id < 0 ? clearTimeout(-id) : cancelAnimationFrame(id));

// OpenSeadragon adds an inline style, which the page's policy forbids, unless it finds one; this is one without effect.
const styled = document.createElementNS(null, "style");
styled.setAttribute("data-openseadragon-mobile-css", "");
document.head.append(styled);

/** Return the source of tiles of a run's picture. versions: "level/column/row" to version. */
export function tileSource(name, { key, width, height, levels }, versions) {
  return {
    width, height, tileSize: TILE_SIDE, tileOverlap: 0, minLevel: 0, maxLevel: levels - 1,
    getTileUrl(level, column, row) {
      const tile = `${levels - 1 - level}/${column}/${row}`; // OpenSeadragon counts levels from the smallest
      return address(runPath(name, `/tiles/${tile}`), { key, v: versions.get(tile) ?? 0 });
    },
  };
}

/** Return an OpenSeadragon viewer without its own buttons. */
export function createViewer(element, label) {
  const viewer = OpenSeadragon({
    element, drawer: "canvas", showNavigationControl: false, prefixUrl: "", animationTime: 0.35, blendTime: 0,
    immediateRender: false, maxZoomPixelRatio: 8, minZoomImageRatio: 0.6, viewportMargins: { left: 12, top: 12, right: 12, bottom: 12 }, visibilityRatio: 0.4, placeholderFillStyle: null,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true }, gestureSettingsTouch: { clickToZoom: false },
  });
  viewer.atHome = true; // nobody has zoomed or moved the picture
  for (const kind of ["canvas-drag", "canvas-scroll", "canvas-pinch", "canvas-double-click", "canvas-key"]) viewer.addHandler(kind, () => { viewer.atHome = false; });
  viewer.addHandler("home", () => { viewer.atHome = true; });
  const goHome = () => { if (viewer.atHome) viewer.viewport?.goHome(true); };
  viewer.addHandler("after-resize", () => setTimeout(goHome)); // OpenSeadragon moves the picture once more after this event
  viewer.canvas.setAttribute("role", "application");
  viewer.canvas.setAttribute("aria-label", `${label}: zoom with + and -, move with the arrow keys, 0 shows all of it`);
  return viewer;
}

/** Zoom by a factor. */
export function zoomBy(viewer, factor) {
  viewer.atHome = false;
  viewer.viewport.zoomBy(factor);
  viewer.viewport.applyConstraints();
}

/** Add an image to a viewer and wait until it is there. */
export function addImage(viewer, options) {
  return new Promise((resolve, reject) => {
    viewer.addTiledImage({ ...options, success: ({ item }) => resolve(item), error: ({ message }) => reject(new Error(message)) });
  });
}

/** The current picture of a run in a viewer. onshown: called with the time at which the run wrote what is shown now. */
export class LiveImage {
  constructor(viewer, name, onshown = () => {}) {
    Object.assign(this, { viewer, name, onshown, versions: new Map(), shape: null, item: null, loading: false, stale: false, meta: null });
    const { world } = viewer, draw = world.draw.bind(world);
    world.draw = () => { if (!this.loading || !this.item || performance.now() < lively) draw(); }; // nothing has changed yet
  }

  /** Begin another picture, such as the finished one after the live one. */
  setShape(shape) {
    const same = this.shape && this.shape.width / this.shape.height === shape.width / shape.height;
    this.home = !same;
    this.shape = shape;
    this.versions = new Map();
  }

  /** Show new versions of tiles: level, column, row and version each. */
  update({ tiles, time, step }) {
    for (const [level, column, row, version] of tiles) this.versions.set(`${level}/${column}/${row}`, version);
    this.meta = { time, step };
    return this.refresh();
  }

  async refresh() {
    if (this.loading) { this.stale = true; return; }
    this.loading = true;
    this.stale = false;
    const { meta, shape, home } = this;
    this.home = false;
    try {
      const item = await addImage(this.viewer, { tileSource: tileSource(this.name, shape, new Map(this.versions)), width: 1, opacity: this.item ? 0 : 1, preload: true, index: 0 });
      if (home) this.viewer.viewport.goHome(true);
      await loaded(item);
      item.setOpacity(1);
      if (this.item) this.viewer.world.removeItem(this.item);
      this.item = item;
      this.onshown(meta);
    } finally {
      this.loading = false;
      if (this.stale) await this.refresh();
    }
  }
}

/** Wait until the visible tiles of an image are loaded; at most two seconds. */
function loaded(item) {
  return new Promise((resolve) => {
    const done = () => { clearTimeout(timer); item.removeHandler("fully-loaded-change", check); resolve(); };
    const check = () => { if (item.getFullyLoaded()) done(); };
    const timer = setTimeout(done, 2000);
    item.addHandler("fully-loaded-change", check);
    check();
  });
}

/** Show an image only right of a position in [0, 1] of its width; 0: all of it. */
export function clipLeft(item, position) {
  const { x, y } = item.source.dimensions;
  item.setClip(position > 0 ? new OpenSeadragon.Rect(position * x, 0, (1 - position) * x, y) : null);
}

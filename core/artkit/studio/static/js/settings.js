// The settings of a recipe that are changed most: size, steps, detail, palette and background.

import { field, h, keepFocus, segments } from "./dom.js";

const TILE_FACTORS = { coarse: 1.5, normal: 1, fine: 0.75, finest: 0.5 };
const STROKE_FACTORS = { coarse: 0.5, normal: 1, fine: 2, finest: 4 };
const DETAIL = [["coarse", "Coarse"], ["normal", "As the recipe"], ["fine", "Fine"], ["finest", "Very fine"]];
const COLOURS = [[0.1, 0.1, 0.12], [0.65, 0.2, 0.15], [0.93, 0.85, 0.65], [0.2, 0.35, 0.4]]; // of a new palette

/** Return the fields for a recipe. original: the recipe as it was chosen. change: is called with a change of the tree. */
export function frequentSettings(tree, original, change) {
  const numberField = (label, value, help, least, set) => field(label, h("input", { type: "number", value: value ?? "", min: least, step: 1,
    oninput: ({ target }) => change((now) => set(now, target.value === "" ? null : Number(target.value))) }), help);
  const size = typeof tree.size === "number" ? tree.size : Array.isArray(tree.size) ? Math.max(...tree.size) : null;
  const finished = (now, value) => {
    put(now, "output", "long_side", value);
    if (value !== null) { delete now.output.scale; delete now.output.width_cm; }
  };
  return [
    h("div", { class: "two" }, numberField("Painted at, px", size, "Longer side while strokes are fitted.", 8, (now, value) => put(now, null, "size", value)),
      "trainer" in tree ? null : numberField("Finished, px", tree.output?.long_side, "Longer side of the picture.", 8, finished)),
    numberField("Steps", tree.steps, "More steps, a closer likeness.", 0, (now, value) => put(now, null, "steps", value)),
    ...detail(original.canvas ?? {}, change),
    ..."trainer" in tree || "data" in tree ? [] : [palette(tree, change), background(tree, change)],
  ];
}

/** Set a value of a table of a recipe, or of the recipe itself; null removes it. */
function put(tree, table, key, value) {
  if (table) tree[table] = { ...tree[table] };
  const target = table ? tree[table] : tree;
  if (value === null) delete target[key]; else target[key] = value;
}

/** Detail is the size of tiles, where a canvas has them, else the number of strokes. */
function detail({ tile, overlap, strokes }, change) {
  if (typeof tile !== "number" && typeof strokes !== "number") return [];
  const scaled = (value, factor, least) => Math.max(least, Math.round(value * factor));
  return [segments("Detail", DETAIL, "normal", (level) => change((now) => {
    if (typeof tile !== "number") put(now, "canvas", "strokes", scaled(strokes, STROKE_FACTORS[level], 1));
    else put(now, "canvas", "tile", scaled(tile, TILE_FACTORS[level], 8));
    if (typeof tile === "number" && typeof overlap === "number") put(now, "canvas", "overlap", scaled(overlap, TILE_FACTORS[level], 1));
  }))];
}

function palette(tree, change) {
  const photo = ({ objective = {} }) => Object.values(objective).map(({ target }) => target).find(Boolean);
  const current = Object.values(tree.constraint ?? {}).find(({ type }) => type === "palette");
  const colours = (current?.colours ?? COLOURS).map(toHex);
  const details = h("div", { class: "swatches" });
  const count = h("input", { type: "number", min: 2, max: 64, value: current?.count ?? 6, "aria-label": "Number of colours", oninput: () => update("photo") });

  const update = (kind) => change((now) => {
    const rest = Object.fromEntries(Object.entries(now.constraint ?? {}).filter(([, { type }]) => type !== "palette"));
    if (kind === "photo") rest.palette = { type: "palette", image: photo(now), count: Number(count.value) || 6 };
    else if (kind === "own") rest.palette = { type: "palette", colours: colours.map(fromHex) };
    put(now, null, "constraint", Object.keys(rest).length ? rest : null);
  });
  const edit = (changeColours) => { changeColours(); draw("own"); update("own"); };
  const button = (label, text, changeColours) => h("button", { type: "button", class: "icon", "aria-label": label, onclick: () => edit(changeColours) }, text);
  const draw = (kind) => keepFocus(details, () => details.replaceChildren(...{
    all: () => [],
    photo: () => [count, h("span", { class: "soft" }, "colours")],
    own: () => [...colours.map((colour, index) => h("input", { type: "color", value: colour, "aria-label": `Colour ${index + 1}`, oninput: ({ target }) => { colours[index] = target.value; update("own"); } })),
      button("Add a colour", "+", () => colours.push("#888888")), ...colours.length > 1 ? [button("Remove the last colour", "−", () => colours.pop())] : []],
  }[kind]()));

  const kind = !current ? "all" : current.image ? "photo" : "own";
  const choices = [["all", "All colours"], photo(tree) && !("film" in tree) && ["photo", "Of the photo"], ["own", "My own"]].filter(Boolean);
  draw(kind);
  return h("div", { class: "stack" }, segments("Palette", choices, kind, (now) => { draw(now); update(now); }), details);
}

function background({ background: value }, change) {
  const kind = value === "target" ? "target" : typeof value === "string" ? "picture" : "colour";
  const colour = h("input", { type: "color", "aria-label": "Colour of the background", value: Array.isArray(value) ? toHex(value) : "#ffffff", oninput: () => change((now) => { now.background = fromHex(colour.value); }) });
  const box = h("div", { class: "swatches", hidden: kind !== "colour" }, colour);
  const choices = [["target", "Mean colour of the photo"], ["colour", "A colour"], kind === "picture" && ["picture", "A picture"]].filter(Boolean);
  return h("div", { class: "stack" }, segments("Background", choices, kind, (chosen) => {
    box.hidden = chosen !== "colour";
    change((now) => { now.background = { target: "target", colour: fromHex(colour.value), picture: value }[chosen]; });
  }), box);
}

const toHex = (colour) => `#${colour.map((value) => Math.round(value * 255).toString(16).padStart(2, "0")).join("")}`;
const fromHex = (text) => [1, 3, 5].map((start) => Number((parseInt(text.slice(start, start + 2), 16) / 255).toFixed(4)));

// A new painting: photo, recipe, brush and the most common settings; all others in a form made from the schema.

import { address, get, runPath, send, upload } from "./api.js";
import { RecipeForm } from "./form.js";
import { duration, field, h, keepFocus, segments, toast } from "./dom.js";

const CHECK_MS = 250;
const SCROLL_MARGIN = 60; // px above what is chosen
const TILE_FACTORS = { coarse: 1.5, normal: 1, fine: 0.75, finest: 0.5 };
const STROKE_FACTORS = { coarse: 0.5, normal: 1, fine: 2, finest: 4 };
const DETAIL = [["coarse", "Coarse"], ["normal", "As the recipe"], ["fine", "Fine"], ["finest", "Very fine"]];

export async function show(main, _name, query) {
  const [schema, { recipes }] = await Promise.all([get("/api/schema"), get("/api/recipes")]);
  const model = { tree: {}, picture: null, recipe: null, original: {}, named: false };
  let timer = 0, pending = null, working = null, requests = 0, choosing = null;

  const errors = h("div", { role: "alert" });
  const nameField = field("Name", h("input", { type: "text", value: "painting", autocomplete: "off", spellcheck: "false", oninput: () => { model.named = true; } }), "Of the folder of the run.");
  const startButton = h("button", { type: "submit", class: "primary start" }, "Start painting");
  const toml = h("textarea", { class: "code", spellcheck: "false", autocapitalize: "off", "aria-label": "Recipe as TOML", oninput: () => later(parseToml) });
  const tomlError = h("p", { class: "error" });
  const form = new RecipeForm(schema, { changed: () => later(format), pickFile });
  const quick = h("div", { class: "stack" });
  const photo = photoPart();
  const recipeChoices = h("div", { class: "choices recipes" });
  const [others, withoutPhoto] = ["Other recipes that paint a photo: sizes, discrete strokes, words", "Recipes that paint no photo or clip: classes, agents, training"].map((text) => {
    const choices = h("div", { class: "choices" });
    return { choices, element: h("details", {}, h("summary", { class: "soft" }, text), h("div", { class: "more" }, choices)) };
  });
  const recipeGroups = h("div", { class: "stack", role: "radiogroup", "aria-label": "Recipe" }, recipeChoices, others.element, withoutPhoto.element);
  const brushes = h("div", { class: "brushes", role: "radiogroup", "aria-label": "Brush" });
  const brushSearch = h("input", { type: "search", placeholder: "Search brushes", "aria-label": "Search brushes", oninput: () => filterBrushes() });
  const brushSheet = h("section", { class: "sheet", "aria-label": "Brush" }, h("div", { class: "row between" }, h("h2", {}, "Brush"), h("div", {}, brushSearch)), brushes);

  const page = h("form", { class: "page", novalidate: true, onsubmit: (event) => { event.preventDefault(); start(); } },
    h("h1", {}, "New painting"), h("div", { class: "new" },
      h("div", { class: "stack" }, photo.element,
        h("section", { class: "sheet", "aria-label": "Recipe" }, h("h2", {}, "Recipe"), recipeGroups), brushSheet,
        h("details", { class: "sheet" }, h("summary", {}, h("h2", {}, "All settings")), form.element),
        h("details", { class: "sheet" }, h("summary", {}, h("h2", {}, "Recipe as TOML")), tomlError, toml,
          h("div", { class: "row" }, h("button", { type: "button", onclick: () => save().catch((error) => toast(error.message)) }, "Save as a recipe"),
            h("span", { class: "soft" }, "in recipes/ of this folder, under the name of the painting")))),
      h("aside", { class: "sheet sticky", "aria-label": "Settings" }, h("h2", {}, "Settings"), quick, nameField, errors, startButton)));
  main.append(page);

  for (const recipe of recipes) (!recipe.paints ? withoutPhoto.choices : recipe.saved || recipe.sample ? recipeChoices : others.choices).append(recipeChoice(recipe));
  function recipeChoice(recipe) {
    const input = h("input", { type: "radio", name: "recipe", value: recipe.name, onchange: () => choose(recipe).catch((error) => toast(error.message)) });
    input.recipe = recipe;
    return h("label", { class: "choice recipe" }, input, recipe.sample && h("img", { alt: "", loading: "lazy", src: `static/recipes/${recipe.sample}` }),
      h("b", {}, recipe.name), h("span", {}, recipe.description), h("span", {}, [recipe.saved && "saved", recipe.time].filter(Boolean).join(" · ")));
  }
  const wanted = query.get("saved");
  if (query.has("run")) await repeat(query.get("run"));
  else await select(recipes.find(({ name, saved }) => (wanted ? saved && name === wanted : name === "photo")) ?? recipes[0]);
  if (query.has("upload")) await photo.take(get(`/api/uploads/${encodeURIComponent(query.get("upload"))}`), query.get("upload"));
  loadBrushes();

  // -------------------------------------------------------------------------------------------------- the recipe
  function later(run) {
    clearTimeout(timer);
    pending = run;
    timer = setTimeout(() => settle().catch((error) => toast(error.message)), CHECK_MS);
  }

  /** Do at once what was to be done later, and wait until it is done. */
  async function settle() {
    clearTimeout(timer);
    if (pending) working = pending();
    pending = null;
    await working;
  }

  /** Return the answer to a request about the recipe; null if there has been another one meanwhile. */
  async function newest(request) {
    const number = ++requests;
    const answer = await request;
    return number === requests ? answer : null;
  }

  function defaultName() {
    return [model.picture?.stem, model.recipe.name.split("/").pop()].filter(Boolean).join("-");
  }

  async function select(recipe) {
    for (const input of recipeGroups.querySelectorAll("input")) input.checked = input.recipe === recipe;
    recipeChoices.scrollTop = (recipeChoices.querySelector(":checked")?.closest(".choice").offsetTop ?? 0) - SCROLL_MARGIN;
    await choose(recipe);
  }

  async function choose(recipe) {
    model.recipe = recipe;
    pending = null;
    const loading = choosing = newest(send("POST", "/api/recipes/load", { name: recipe.name, saved: recipe.saved, picture: model.picture?.path ?? null }));
    const answer = await loading.finally(() => { if (choosing === loading) choosing = null; });
    if (!answer) return;
    if (!model.named) nameField.control.value = defaultName();
    setTree(answer.tree, answer.toml);
    model.original = structuredClone(answer.tree);
    drawQuick();
    showErrors(answer.errors);
    photo.note();
  }

  /** Set up the painting of a run again. */
  async function repeat(run) {
    const answer = await get(runPath(run, "/recipe"));
    model.recipe = { name: run, paints: answer.paints };
    nameField.control.value = run.split("/").pop();
    setTree(answer.tree, answer.toml);
    model.original = structuredClone(answer.tree);
    drawQuick();
    showErrors(answer.errors);
    photo.note();
  }

  function setTree(tree, text) {
    model.tree = tree;
    toml.value = text;
    tomlError.textContent = "";
    form.setTree(tree);
    selectBrush();
  }

  /** Show the recipe of the form as TOML, and its errors. */
  async function format() {
    const answer = await newest(send("POST", "/api/recipes/format", { tree: model.tree }));
    if (!answer) return;
    toml.value = answer.toml;
    tomlError.textContent = "";
    showErrors(answer.errors);
    selectBrush();
  }

  async function parseToml() {
    try {
      const answer = await newest(send("POST", "/api/recipes/parse", { toml: toml.value }));
      if (!answer) return;
      tomlError.textContent = "";
      model.tree = answer.tree;
      form.setTree(answer.tree);
      drawQuick();
      selectBrush();
      showErrors(answer.errors);
    } catch (error) {
      showErrors([{ place: "", message: error.message }]);
      tomlError.textContent = error.message;
    }
  }

  function showErrors(list) {
    const rest = form.showErrors(list);
    const all = [...rest, ...list.filter((error) => !rest.includes(error))];
    errors.replaceChildren(...(all.length ? [h("div", { class: "notice bad" }, ...all.map(({ place, message }) => h("p", {}, place && h("b", {}, `${place}: `), message)))] : []));
    startButton.disabled = all.length > 0;
  }

  /** Change the recipe, and show the change everywhere. */
  function change(edit) {
    if (choosing) { choosing.finally(() => change(edit)).catch(() => {}); return; }
    edit(model.tree);
    form.setTree(model.tree);
    later(format);
  }

  async function start() {
    startButton.disabled = true;
    try {
      await settle();
      const answer = await send("POST", "/api/runs", { toml: toml.value, name: nameField.control.value.trim() || "painting" });
      if (answer.errors) { showErrors(answer.errors); errors.scrollIntoView({ block: "nearest" }); } else location.hash = `#/run/${encodeURIComponent(answer.name)}`;
    } catch (error) {
      errors.replaceChildren(h("p", { class: "notice bad" }, error.message));
      startButton.disabled = false;
    }
  }

  async function save() {
    await settle();
    const { name } = await send("POST", "/api/recipes/save", { name: nameField.control.value, toml: toml.value, replace: false });
    toast(`Saved as recipes/${name}.toml.`);
  }

  // --------------------------------------------------------------------------------------------------- the photo
  function photoPart() {
    const input = h("input", { type: "file", accept: "image/*,video/*,.heic,.tif,.tiff,.webp,.mkv", class: "visually-hidden", id: "photo-file", onchange: () => input.files[0] && takeFile(input.files[0]) });
    const preview = h("img", { alt: "", hidden: true });
    const words = h("p", {}, "Drop a photo or a clip here, or choose one.");
    const hint = h("p", { class: "soft" });
    const drop = h("div", { class: "drop" }, preview, words, h("div", { class: "row" }, h("button", { type: "button", onclick: () => input.click() }, "Choose a file")), hint, input);
    input.setAttribute("aria-label", "Photo");
    input.tabIndex = -1;
    for (const kind of ["dragover", "dragenter"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
    for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => { event.preventDefault(); const [file] = event.dataTransfer.files; if (file) takeFile(file); });
    const show = ({ path, width, height, seconds }, name) => {
      preview.src = address("/api/picture", { path, side: 800 });
      preview.alt = seconds === null ? `The photo ${name}` : `The first frame of ${name}`;
      preview.hidden = false;
      words.textContent = [name, `${width} × ${height} px`, seconds !== null && duration(seconds)].filter(Boolean).join(", ");
    };
    const takeFile = (file) => take(upload(file, file.name), file.name);
    /** Paint what an upload resolves to. */
    async function take(uploading, name) {
      words.textContent = `Reading ${name} …`;
      words.className = "";
      try {
        const uploaded = await uploading;
        const kind = uploaded.seconds === null ? "picture" : "clip";
        model.picture = { path: uploaded.path, stem: name.replace(/\.[^.]*$/, ""), kind };
        const fitting = recipes.find(({ name: recipe, paints, saved }) => paints === kind && !saved && ["photo", "film"].includes(recipe));
        if (model.recipe.paints !== kind && fitting) await select(fitting);
        else {
          await settle();
          const answer = await newest(send("POST", "/api/recipes/picture", { tree: model.tree, picture: uploaded.path }));
          if (!answer) return;
          if (!model.named) nameField.control.value = defaultName();
          model.original = { ...model.original, objective: answer.tree.objective };
          setTree(answer.tree, answer.toml);
          drawQuick();
          showErrors(answer.errors);
        }
        show(uploaded, name);
        photo.note();
        if (uploaded.notes.length) toast(uploaded.notes.join("\n"));
      } catch (error) {
        words.textContent = error.message;
        words.className = "error";
      }
    }
    return {
      element: h("section", { class: "sheet", "aria-label": "Photo or clip" }, h("h2", {}, "Photo or clip"), drop),
      take,
      note() {
        const { paints } = model.recipe;
        if (!paints) hint.textContent = "This recipe paints no photo.";
        else if (!model.picture) hint.textContent = `Without one, the ${paints} of the recipe is painted.`;
        else if (paints === "clip" && model.picture.kind === "picture") hint.textContent = "This recipe paints films: of a photo, one of a single frame.";
        else hint.textContent = paints === "picture" && model.picture.kind === "clip" ? "This recipe paints photos: of a clip that is no animated image, the picture of the recipe." : "";
      },
    };
  }

  /** Upload a file for a setting; resolves to its path in the recipe. */
  function pickFile() {
    return new Promise((resolve) => {
      const input = h("input", { type: "file", onchange: async () => {
        try { resolve((await upload(input.files[0], input.files[0].name)).path); } catch (error) { toast(error.message); }
      } });
      input.click();
    });
  }

  // -------------------------------------------------------------------------------------------------- the brushes
  async function loadBrushes() {
    const { brushes: found, running } = await get("/api/brushes").catch(() => ({ brushes: [], running: false }));
    if (!page.isConnected && !main.contains(page)) return;
    if (found.length && !brushes.children.length) {
      for (const { name } of found) {
        const image = h("img", { alt: "", loading: "lazy" });
        image.dataset.source = name;
        brushes.append(h("label", { class: "choice brush" }, h("input", { type: "radio", name: "brush", value: name, "aria-label": name, onchange: () => change((tree) => { tree.renderer = { type: "mypaint", ...tree.renderer, brush: name }; }) }), image, h("span", {}, name.replace(/[/_]/g, "$&\u200b"))));
      }
      selectBrush(true);
    }
    for (const image of brushes.querySelectorAll("img:not([src])")) {
      const known = found.find(({ name, sample }) => name === image.dataset.source && sample);
      if (known) image.src = address("/api/brush", { name: known.name, v: known.sample });
    }
    if (running) setTimeout(loadBrushes, 700);
  }

  function selectBrush(scroll = false) {
    const renderer = model.tree.renderer ?? {};
    const type = renderer.type ?? "mypaint";
    const properties = schema.$defs[`renderer.${type}`]?.properties ?? {};
    brushSheet.hidden = !("brush" in properties);
    const brush = String(renderer.brush ?? properties.brush?.default ?? "");
    const full = [...brushes.querySelectorAll("input")].find(({ value }) => value === brush || value === `classic/${brush}`);
    if (full && !full.checked) full.checked = true;
    if (full && scroll) brushes.scrollTop = full.closest(".brush").offsetTop - SCROLL_MARGIN;
  }

  function filterBrushes() {
    const words = brushSearch.value.toLowerCase();
    for (const label of brushes.children) label.hidden = !label.control.value.toLowerCase().includes(words) && !label.control.checked; // it leads to the others by keyboard
  }

  // ------------------------------------------------------------------------------------------- frequent settings
  function drawQuick() {
    const { tree, original } = model;
    const parts = [];
    const numberField = (label, value, help, set, attributes = {}) => field(label, h("input", { type: "number", value: value ?? "", ...attributes, oninput: ({ target }) => change((now) => set(now, target.value === "" ? null : Number(target.value))) }), help);
    const put = (now, table, key, value) => { now[table] = { ...now[table] }; if (value === null) delete now[table][key]; else now[table][key] = value; };
    const size = typeof tree.size === "number" ? tree.size : Array.isArray(tree.size) ? Math.max(...tree.size) : null;
    parts.push(h("div", { class: "two" },
      numberField("Painted at, px", size, "Longer side while strokes are fitted.", (now, value) => { if (value === null) delete now.size; else now.size = value; }, { min: 8, step: 1 }),
      "trainer" in tree ? null : numberField("Finished, px", tree.output?.long_side, "Longer side of the picture.", (now, value) => { put(now, "output", "long_side", value); if (value !== null) { delete now.output.scale; delete now.output.width_cm; } }, { min: 8, step: 1 })));
    parts.push(numberField("Steps", tree.steps, "More steps, a closer likeness.", (now, value) => { if (value === null) delete now.steps; else now.steps = value; }, { min: 0, step: 1 }));
    const canvas = original.canvas ?? {};
    if (typeof canvas.tile === "number" || typeof canvas.strokes === "number") {
      parts.push(segments("Detail", DETAIL, "normal", (level) => change((now) => {
        const at = (value, factor, least) => Math.max(least, Math.round(value * factor));
        if (typeof canvas.tile === "number") {
          now.canvas = { ...now.canvas, tile: at(canvas.tile, TILE_FACTORS[level], 8) };
          if (typeof canvas.overlap === "number") now.canvas.overlap = at(canvas.overlap, TILE_FACTORS[level], 1);
        } else now.canvas = { ...now.canvas, strokes: at(canvas.strokes, STROKE_FACTORS[level], 1) };
      })));
    }
    if (!("trainer" in tree || "data" in tree)) parts.push(palettePart(), backgroundPart());
    quick.replaceChildren(...parts);
  }

  function palettePart() {
    const target = () => Object.values(model.tree.objective ?? {}).map((block) => block.target).find(Boolean);
    const current = Object.entries(model.tree.constraint ?? {}).find(([, block]) => block.type === "palette");
    const details = h("div", { class: "swatches" });
    const set = (block) => change((now) => {
      const rest = Object.fromEntries(Object.entries(now.constraint ?? {}).filter(([, { type }]) => type !== "palette"));
      if (block) rest.palette = block;
      if (Object.keys(rest).length) now.constraint = rest; else delete now.constraint;
    });
    const colours = (current?.[1].colours ?? [[0.1, 0.1, 0.12], [0.65, 0.2, 0.15], [0.93, 0.85, 0.65], [0.2, 0.35, 0.4]]).map(toHex);
    const count = h("input", { type: "number", min: 2, max: 64, value: current?.[1].count ?? 6, "aria-label": "Number of colours", oninput: () => update("photo") });
    const update = (kind) => {
      if (kind === "photo") set({ type: "palette", image: target(), count: Number(count.value) || 6 });
      else set(kind === "own" ? { type: "palette", colours: colours.map(fromHex) } : null);
    };
    const edit = (change) => { change(); draw("own"); update("own"); };
    const draw = (kind) => {
      if (kind === "photo") details.replaceChildren(count, h("span", { class: "soft" }, "colours"));
      else if (kind === "own") {
        keepFocus(details, () => details.replaceChildren(...colours.map((colour, index) => h("input", { type: "color", value: colour, "aria-label": `Colour ${index + 1}`, oninput: ({ target: input }) => { colours[index] = input.value; update("own"); } })),
          h("button", { type: "button", class: "icon", "aria-label": "Add a colour", onclick: () => edit(() => colours.push("#888888")) }, "+"),
          ...(colours.length > 1 ? [h("button", { type: "button", class: "icon", "aria-label": "Remove the last colour", onclick: () => edit(() => colours.pop()) }, "−")] : [])));
      } else details.replaceChildren();
    };
    const kind = !current ? "all" : current[1].image ? "photo" : "own";
    draw(kind);
    const choices = [["all", "All colours"], target() && !("film" in model.tree) && ["photo", "Of the photo"], ["own", "My own"]].filter(Boolean);
    return h("div", { class: "stack" }, segments("Palette", choices, kind, (now) => { draw(now); update(now); }), details);
  }

  function backgroundPart() {
    const { background } = model.tree;
    const colour = h("input", { type: "color", "aria-label": "Colour of the background", value: Array.isArray(background) ? toHex(background) : "#ffffff", oninput: () => change((now) => { now.background = fromHex(colour.value); }) });
    const kind = background === "target" ? "target" : typeof background === "string" ? "picture" : "colour";
    const box = h("div", { class: "swatches", hidden: kind !== "colour" }, colour);
    const choices = [["target", "Mean colour of the photo"], ["colour", "A colour"], kind === "picture" && ["picture", "A picture"]].filter(Boolean);
    return h("div", { class: "stack" }, segments("Background", choices, kind, (now) => {
      box.hidden = now !== "colour";
      change((tree) => { tree.background = now === "target" ? "target" : now === "colour" ? fromHex(colour.value) : background; });
    }), box);
  }
}

const toHex = (colour) => `#${colour.map((value) => Math.round(value * 255).toString(16).padStart(2, "0")).join("")}`;
const fromHex = (text) => [1, 3, 5].map((start) => Number((parseInt(text.slice(start, start + 2), 16) / 255).toFixed(4)));

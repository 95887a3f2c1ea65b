// A new painting: photo, recipe, brush and the most common settings; all others in a form made from the schema.

import { address, get, runPath, send, upload } from "./api.js";
import { BrushSheet } from "./brushes.js";
import { duration, field, h, toast } from "./dom.js";
import { RecipeForm } from "./form.js";
import { frequentSettings } from "./settings.js";

const CHECK_MS = 250;
const SCROLL_MARGIN = 60; // px above what is chosen

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
  const settings = h("div", { class: "stack" });
  const photo = photoPart();
  const recipeChoices = h("div", { class: "choices recipes" });
  const [others, withoutPhoto] = ["Other recipes that paint a photo: sizes, discrete strokes, words", "Recipes that paint no photo or clip: classes, agents, training"].map((text) => {
    const choices = h("div", { class: "choices" });
    return { choices, element: h("details", {}, h("summary", { class: "soft" }, text), h("div", { class: "more" }, choices)) };
  });
  const recipeGroups = h("div", { class: "stack", role: "radiogroup", "aria-label": "Recipe" }, recipeChoices, others.element, withoutPhoto.element);
  const brushes = new BrushSheet(schema, (brush) => change((tree) => { tree.renderer = { type: "mypaint", ...tree.renderer, brush }; }));

  const page = h("form", { class: "page", novalidate: true, onsubmit: (event) => { event.preventDefault(); start(); } },
    h("h1", {}, "New painting"), h("div", { class: "new" },
      h("div", { class: "stack" }, photo.element,
        h("section", { class: "sheet", "aria-label": "Recipe" }, h("h2", {}, "Recipe"), recipeGroups), brushes.element,
        h("details", { class: "sheet" }, h("summary", {}, h("h2", {}, "All settings")), form.element),
        h("details", { class: "sheet" }, h("summary", {}, h("h2", {}, "Recipe as TOML")), tomlError, toml,
          h("div", { class: "row" }, h("button", { type: "button", onclick: () => save().catch((error) => toast(error.message)) }, "Save as a recipe"),
            h("span", { class: "soft" }, "in recipes/ of this folder, under the name of the painting")))),
      h("aside", { class: "sheet sticky", "aria-label": "Settings" }, h("h2", {}, "Settings"), settings, nameField, errors, startButton)));
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
  brushes.load();

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
    drawSettings();
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
    drawSettings();
    showErrors(answer.errors);
    photo.note();
  }

  function setTree(tree, text) {
    model.tree = tree;
    toml.value = text;
    tomlError.textContent = "";
    form.setTree(tree);
    brushes.select(model.tree);
  }

  /** Show the recipe of the form as TOML, and its errors. */
  async function format() {
    const answer = await newest(send("POST", "/api/recipes/format", { tree: model.tree }));
    if (!answer) return;
    toml.value = answer.toml;
    tomlError.textContent = "";
    showErrors(answer.errors);
    brushes.select(model.tree);
  }

  async function parseToml() {
    try {
      const answer = await newest(send("POST", "/api/recipes/parse", { toml: toml.value }));
      if (!answer) return;
      tomlError.textContent = "";
      model.tree = answer.tree;
      form.setTree(answer.tree);
      drawSettings();
      brushes.select(model.tree);
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

  function drawSettings() {
    settings.replaceChildren(...frequentSettings(model.tree, model.original, change));
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
          drawSettings();
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
}

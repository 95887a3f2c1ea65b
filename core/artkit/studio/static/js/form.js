// A form for recipes, made from their JSON Schema: settings of plugins appear by themselves with their documentation.

import { field, h, uid } from "./dom.js";

const NAMED = ["objective", "constraint"];
const BLOCKS = ["canvas", "renderer", "agent", "data", "trainer"];
const OPTIONAL = ["data", "trainer"];
const HIDDEN = ["record", "changes", "sweep", ...BLOCKS, ...NAMED];

export class RecipeForm {
  /** schema: of recipes. changed: is called after a change of the tree. pickFile: resolves to the path of a file. */
  constructor(schema, { changed, pickFile }) {
    Object.assign(this, { schema, changed, pickFile, tree: {}, fields: new Map() });
    this.element = h("div", { class: "stack" });
    this.open = new Set(["run"]);
  }

  /** Show a recipe. Fields that have the focus stay as they are. */
  setTree(tree) {
    this.tree = tree;
    if (this.element.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) return;
    this.draw();
  }

  draw() {
    this.fields.clear();
    const { properties } = this.schema;
    const top = Object.entries(properties).filter(([key, { $ref }]) => !HIDDEN.includes(key) && !$ref);
    const groups = [this.group("run", "Run", "", this.inputs(Object.fromEntries(top), this.tree, ""))];
    for (const [key, property] of Object.entries(properties)) {
      if (property.$ref) groups.push(this.table(key, this.resolve(property), property.description));
    }
    for (const kind of BLOCKS) if (!OPTIONAL.includes(kind) || kind in this.tree) groups.push(this.block(kind, properties[kind]));
    for (const kind of NAMED) groups.push(...this.namedBlocks(kind, properties[kind]));
    this.element.replaceChildren(...groups);
  }

  resolve(schema) {
    return schema.$ref ? this.schema.$defs[decodeURIComponent(schema.$ref.replace("#/$defs/", ""))] ?? {} : schema;
  }

  group(id, title, description, ...content) {
    return h("details", { class: "group", open: this.open.has(id), ontoggle: (event) => (event.target.open ? this.open.add(id) : this.open.delete(id)) },
      h("summary", {}, title), h("div", { class: "stack" }, description && h("p", { class: "soft" }, description), ...content));
  }

  table(key, schema, description) {
    const values = new Proxy({}, { get: (_, name) => this.tree[key]?.[name], has: (_, name) => name in (this.tree[key] ?? {}) });
    return this.group(key, key, description, this.inputs(schema.properties ?? {}, values, key));
  }

  /** A table with one component: its type, and the settings of that type. */
  block(kind, property) {
    const defaults = { canvas: "grid", renderer: "mypaint", agent: "free" };
    return this.group(kind, kind, "", ...this.component(kind, this.types(property), () => this.tree[kind] ?? {}, (value) => { this.tree[kind] = value; }, kind, defaults[kind]));
  }

  namedBlocks(kind, property) {
    const types = this.types(property.additionalProperties);
    const groups = Object.keys(this.tree[kind] ?? {}).map((name) => this.group(`${kind}.${name}`, `${kind} “${name}”`, "",
      ...this.component(kind, types, () => this.tree[kind]?.[name] ?? {}, (value) => { this.tree[kind] = { ...this.tree[kind], [name]: value }; }, `${kind}.${name}`, null),
      h("div", {}, h("button", { type: "button", class: "quiet", onclick: () => { const { [name]: _, ...rest } = this.tree[kind]; if (Object.keys(rest).length) this.tree[kind] = rest; else delete this.tree[kind]; this.draw(); this.changed(); } }, `Remove ${kind} ${name}`))));
    const add = h("select", { "aria-label": `Add ${kind}`, onchange: () => {
      if (!add.value) return;
      let name = add.value.replace(/-/g, "_");
      while (name in (this.tree[kind] ?? {}) || name === "loss") name += "_2";
      this.tree[kind] = { ...this.tree[kind], [name]: { type: add.value } };
      this.open.add(`${kind}.${name}`);
      this.draw();
      this.changed();
    } }, h("option", { value: "" }, `Add ${kind} …`), Object.keys(types).map((type) => h("option", { value: type }, type)));
    return [...groups, h("div", { class: "group" }, add)];
  }

  types(property) {
    const found = (property.oneOf ?? []).map((choice) => this.resolve(choice));
    return Object.fromEntries(found.map((schema) => [schema.properties.type.const, schema]));
  }

  component(kind, types, read, write, place, defaultType) {
    const type = read().type ?? defaultType;
    const schema = types[type];
    const select = h("select", { onchange: () => { write({ type: select.value }); this.draw(); this.changed(); } },
      !type && h("option", { value: "" }, "choose …"), Object.keys(types).map((name) => h("option", { value: name }, name)));
    select.value = type ?? "";
    const typeField = field("type", select, schema?.description ?? "");
    this.fields.set(`${place}.type`, typeField);
    const { type: _, ...properties } = schema?.properties ?? {};
    const values = new Proxy({}, { get: (__, name) => read()[name], has: (__, name) => name in read() });
    const set = (name, value) => { const now = { type, ...read() }; if (value === undefined) delete now[name]; else now[name] = value; write(now); };
    return [typeField, this.inputs(properties, values, place, set)];
  }

  /** Fields for the properties of a schema; set: changes a value, undefined removes it. */
  inputs(properties, values, place, set = null) {
    const change = set ?? ((name, value) => {
      const target = place ? (this.tree[place] ??= {}) : this.tree;
      if (value === undefined) delete target[name]; else target[name] = value;
      if (place && !Object.keys(target).length) delete this.tree[place];
    });
    return h("div", { class: "fields" }, Object.entries(properties).map(([name, property]) => {
      const full = place ? `${place}.${name}` : name;
      const update = (value) => { change(name, value); this.changed(); };
      const element = this.input(name, { ...this.resolve(property), ...property }, values[name], update);
      this.fields.set(full, element);
      return element;
    }));
  }

  input(name, schema, value, update) {
    const help = (schema.description ?? "").replace(/\s+/g, " ");
    const kinds = (schema.anyOf ?? schema.oneOf ?? [schema]).map((choice) => this.resolve(choice)).filter(({ type }) => type !== "null");
    const only = kinds.length === 1 ? kinds[0] : {};
    if (only.type === "boolean") {
      const box = h("input", { type: "checkbox", checked: value ?? schema.default ?? false, onchange: () => update(box.checked) });
      return field(name, box, help);
    }
    if (only.enum) {
      const select = h("select", { onchange: () => update(select.value === "" ? undefined : only.enum.find((choice) => String(choice) === select.value)) },
        h("option", { value: "" }, schema.default === undefined || schema.default === null ? "–" : `${schema.default} (default)`), only.enum.filter((choice) => choice !== schema.default).map((choice) => h("option", { value: choice }, String(choice))));
      select.value = value === undefined || value === schema.default ? "" : String(value);
      return field(name, select, help);
    }
    const number = only.type === "integer" || only.type === "number";
    const text = h("input", { type: number ? "number" : "text", step: only.type === "integer" ? 1 : number ? "any" : null, autocomplete: "off", spellcheck: "false",
      placeholder: schema.default === undefined || schema.default === null ? "" : asText(schema.default), value: value === undefined ? "" : asText(value),
      oninput: () => update(text.value.trim() === "" ? undefined : number ? Number(text.value) : fromText(text.value, kinds)) });
    const element = field(name, text, help);
    if (kinds.some(({ format }) => format === "path" || format === "file-or-folder")) {
      text.after(h("div", {}, h("button", { type: "button", class: "quiet", onclick: async () => { text.value = await this.pickFile(); update(text.value); } }, "Upload a file")));
    }
    return element;
  }

  /** Show errors at their fields, and return those without a field. */
  showErrors(errors) {
    for (const element of this.fields.values()) element.setError("");
    const rest = [];
    for (const error of errors) {
      let place = error.place;
      while (place && !this.fields.has(place)) place = place.includes(".") ? place.replace(/\.[^.]*$/, "") : "";
      if (!place) { rest.push(error); continue; }
      const element = this.fields.get(place);
      element.setError(error.message);
      for (let group = element.closest("details"); group; group = group.parentElement.closest("details")) if (this.element.contains(group)) group.open = true;
    }
    return rest;
  }
}

const asText = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/** Return what a text stands for: a list, number or table if it is one and the setting may be one, else the text. */
function fromText(text, kinds) {
  if (kinds.every(({ type }) => type === "string")) return text;
  try { return JSON.parse(text); } catch { return text; }
}

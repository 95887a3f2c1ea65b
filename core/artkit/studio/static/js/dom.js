// Small helpers to build and show elements.

/** Return an element with properties and children; `on…` properties are listeners, null children are left out. */
export function h(tag, properties = {}, ...children) {
  const element = tag === "svg" || SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled" || name === "hidden") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
const SVG = new Set(["path", "line", "g"]);

let nextId = 0;
/** Return an id that no other element has. */
export const uid = (prefix = "id") => `${prefix}-${++nextId}`;

/** Change what a container shows. If that removes the element with the focus, the one in its place gets the focus. */
export function keepFocus(container, change) {
  const reachable = () => [...container.querySelectorAll("a, button, input")];
  const place = reachable().indexOf(document.activeElement);
  change();
  const now = reachable();
  if (place >= 0 && !container.contains(document.activeElement)) now[Math.min(place, now.length - 1)]?.focus();
}

/** Show a short message, with a button if there is something to do. It stays while it has the pointer or the focus. */
export function toast(text, action = null, seconds = 6) {
  const element = h("div", { class: "toast" }, h("span", {}, text),
    action && h("button", { type: "button", onclick: () => { action.run(); element.remove(); } }, action.label));
  document.getElementById("toasts").append(element);
  const end = () => (element.matches(":hover, :focus-within") ? setTimeout(end, 1000) : element.remove());
  setTimeout(end, seconds * 1000);
}

/** Ask a question in a dialog; resolves to whether it was confirmed. */
export function confirm(title, text, label) {
  return new Promise((resolve) => {
    const heading = uid("title");
    const dialog = h("dialog", { "aria-labelledby": heading, onclose: () => { resolve(dialog.returnValue === "yes"); dialog.remove(); } },
      h("form", { method: "dialog" }, h("h2", { id: heading }, title), h("p", {}, text),
        h("div", { class: "row" }, h("button", { value: "no" }, "Cancel"), h("button", { value: "yes", class: "danger" }, label))));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Ask whether something shall be deleted, and delete it into the trash, with a way back.
 *
 * what: its name in the question. text: more of the question. remove: deletes it and resolves to its name in the trash.
 * restore: brings that back. changed: called after both. Resolves to whether it was deleted.
 */
export async function deleteAfterQuestion({ what, text, remove, restore, changed = () => {} }) {
  if (!(await confirm(`Delete ${what}?`, text, "Delete"))) return false;
  try {
    const { trashed } = await remove();
    toast(`${what} is in the trash.`, { label: "Undo", run: () => restore(trashed).catch((error) => toast(error.message)).then(changed) }, 10);
  } catch (error) {
    toast(error.message);
    return false;
  }
  await changed();
  return true;
}

/** Show that a button does nothing for now. Other than a disabled one it keeps the focus. */
export const setBusy = (button, busy) => button.setAttribute("aria-disabled", String(busy));

/** Return a field: label, control, help and a place for its error. */
export function field(label, control, help = "") {
  control.id ||= uid("field");
  const error = h("p", { class: "error", id: uid("error"), "aria-live": "polite" });
  const note = help ? h("p", { class: "help", id: uid("help") }, help) : null;
  control.setAttribute("aria-describedby", [note?.id, error.id].filter(Boolean).join(" "));
  const element = h("div", { class: "field" }, h("label", { for: control.id }, label), control, note, error);
  element.setError = (text) => { error.textContent = text; control.setAttribute("aria-invalid", text ? "true" : "false"); };
  element.control = control;
  return element;
}

/** Return radio buttons in a row. choices: pairs of value and label. */
export function segments(legend, choices, value, onchange) {
  const name = uid("choice");
  return h("fieldset", { class: "segments" }, h("legend", {}, legend), choices.map(([key, label]) =>
    h("label", {}, h("input", { type: "radio", name, value: key, checked: key === value, onchange: () => onchange(key) }), label)));
}

/** Return a number of things as text: `1 frame`, `12 frames`. */
export const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** Return seconds as text. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
export const bytes = (count) => (count >= 1e9 ? `${(count / 1e9).toFixed(1)} GB` : count >= 1e6 ? `${(count / 1e6).toFixed(1)} MB` : `${Math.ceil(count / 1e3)} kB`);
export const number = (value) => (value === null || value === undefined ? "–" : Math.abs(value) >= 1000 || (value && Math.abs(value) < 0.001) ? value.toExponential(2) : String(Number(value.toPrecision(4))));

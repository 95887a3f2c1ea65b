// Steering a run: stop, go on, more steps, other settings, and a mask of where to paint on.

import { runPath, send, upload } from "./api.js";
import { field, h, setBusy, toast } from "./dom.js";
import { Mask } from "./mask.js";

export function panel(run, { reload }) {
  const stop = h("button", { type: "button", onclick: () => act(() => { run.stopping = true; return send("POST", runPath(run.name, "/stop")); }) }, "Stop");
  const goOn = h("button", { type: "button", class: "primary", onclick: () => act(() => send("POST", runPath(run.name, "/steer"))) }, "Go on");
  const error = h("p", { class: "error", role: "alert" });
  const steps = field("Steps in all", h("input", { type: "number", min: 1, step: 1 }));
  const rate = field("Learning rate", h("input", { type: "number", min: 0, step: "any" }));
  const weights = h("div", { class: "stack" });
  const mask = new Mask(run.viewer, () => run.live.shape);
  const apply = h("button", { type: "button", class: "primary", onclick: () => act(change) }, "Change and go on");
  const settings = h("details", {}, h("summary", {}, "Change settings"), h("div", { class: "stack more" },
    h("p", { class: "soft" }, "The run stops after its current step and goes on from there. The recipe notes what has changed at which step, so that the result can be repeated."),
    h("div", { class: "two" }, steps, rate), weights, mask.element, h("div", { class: "apply" }, error, apply)));
  const buttons = h("div", { class: "row" }, stop, goOn);
  const element = h("section", { class: "panel", "aria-label": "Steering" }, buttons, settings);
  let busy = false, trains = false;
  const hideIfEmpty = () => { element.hidden = trains || (buttons.hidden && settings.hidden); };

  async function act(action) {
    if (busy) return;
    busy = true;
    error.textContent = "";
    for (const button of [stop, goOn, apply]) setBusy(button, true);
    try {
      const answer = await action();
      if (answer?.errors) error.textContent = answer.errors.map(({ place, message }) => (place ? `${place}: ${message}` : message)).join("\n");
      await reload();
    } catch (problem) {
      if (settings.open) error.textContent = problem.message; else toast(problem.message);
    }
    busy = false;
    for (const button of [stop, goOn, apply]) setBusy(button, false);
  }

  async function change() {
    const values = {};
    const { recipe } = run.details;
    if (steps.control.value && Number(steps.control.value) !== run.state.steps) values.steps = Number(steps.control.value);
    if (rate.control.value && Number(rate.control.value) !== current("lr", recipe.optimizer?.lr)) values.lr = Number(rate.control.value);
    for (const input of weights.querySelectorAll("input")) {
      if (input.value !== "" && Number(input.value) !== Number(input.dataset.value)) values.weights = { ...values.weights, [input.name]: Number(input.value) };
    }
    if (mask.painted) {
      const { path } = await upload(await mask.blob(), `${run.name.replaceAll("/", "-")}-mask.png`);
      values.weight_images = Object.fromEntries(Object.keys(recipe.objective ?? {}).map((name) => [name, path]));
    } else if (mask.removed) values.weight_images = Object.fromEntries(Object.keys(recipe.objective ?? {}).map((name) => [name, ""]));
    const answer = await send("POST", runPath(run.name, "/steer"), values);
    if (!answer.errors) mask.close();
    return answer;
  }

  /** Return a setting after the changes that were made so far. */
  function current(key, value) {
    return (run.details.recipe.changes ?? []).reduce((now, change) => change[key] ?? now, value);
  }

  return {
    element,
    update(state) {
      const active = state.state === "running" || state.state === "starting";
      const focused = buttons.contains(document.activeElement);
      stop.hidden = !active;
      goOn.hidden = active || state.state === "finished";
      goOn.textContent = state.state === "failed" ? "Try again" : "Go on";
      if (focused) [stop, goOn].find((button) => !button.hidden)?.focus();
      buttons.hidden = stop.hidden && goOn.hidden;
      hideIfEmpty();
    },
    details({ recipe, steps: total }) {
      trains = "trainer" in recipe;
      settings.hidden = "film" in recipe; // its settings cannot change
      hideIfEmpty();
      if (settings.contains(document.activeElement)) return;
      steps.control.value = total;
      rate.control.value = current("lr", recipe.optimizer?.lr) ?? "";
      const changed = current("weights", {});
      weights.replaceChildren(...Object.entries(recipe.objective ?? {}).map(([name, block]) => {
        const value = changed[name] ?? (typeof block.weight === "number" ? block.weight : 1);
        const input = h("input", { type: "number", step: "any", name, value });
        input.dataset.value = value;
        return field(`Weight of “${name}”`, input);
      }));
      mask.canRemove((recipe.changes ?? []).some(({ weight_images }) => weight_images && Object.values(weight_images).some(Boolean)));
    },
    leave() { mask.close(); },
  };
}

// The gallery: all runs of the folder, with search, comparison and deletion.

import { RUN_QUESTION, address, get, restore, runPath, send } from "./api.js";
import { counted, deleteAfterQuestion, duration, h, keepFocus, number } from "./dom.js";

const REFRESH_MS = 2000;
const STATES = { running: "painting", starting: "starting", finished: "finished", stopped: "stopped", failed: "failed" };

export async function show(main, _name, _query, connection) {
  const chosen = new Set();
  const cards = new Map();
  let runs = [];

  const search = h("input", { type: "search", placeholder: "Search: name, brush, recipe …", "aria-label": "Search the runs", oninput: () => update() });
  const list = h("ul", { class: "gallery", "aria-label": "Runs" });
  const count = h("span", { class: "soft", role: "status" });
  const compare = h("button", { type: "button", hidden: true, onclick: () => { location.hash = `#/compare/${[...chosen].map(encodeURIComponent).join(",")}`; } }, "Compare");
  const empty = h("div", { class: "empty", hidden: true }, h("h1", {}, "No paintings yet"), h("p", {}, "Choose a photo and a brush, and watch it being painted."),
    h("a", { class: "button primary", href: "#/new" }, "New painting"));
  const page = h("div", { class: "page" }, h("h1", { class: "visually-hidden" }, "Gallery"),
    h("div", { class: "tools" }, search, h("div", { class: "row" }, count, compare)), list, empty);
  main.append(page);

  function update() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = runs.filter((run) => words.every((word) => `${run.name} ${run.words} ${STATES[run.state]}`.toLowerCase().includes(word)));
    for (const name of [...cards.keys()]) if (!matches.some((run) => run.name === name)) { keepFocus(list, () => cards.get(name).remove()); cards.delete(name); }
    matches.forEach((run, index) => {
      if (!cards.has(run.name)) cards.set(run.name, makeCard(run));
      const card = cards.get(run.name);
      card.update(run);
      if (list.children[index] !== card) list.insertBefore(card, list.children[index] ?? null);
    });
    for (const name of chosen) if (!runs.some((run) => run.name === name)) chosen.delete(name);
    count.textContent = runs.length ? `${matches.length === runs.length ? "" : `${matches.length} of `}${runs.length} run${runs.length === 1 ? "" : "s"}` : "";
    compare.hidden = chosen.size < 2;
    compare.textContent = `Compare ${chosen.size}`;
    empty.hidden = runs.length > 0;
    page.querySelector(".tools").hidden = runs.length === 0;
  }

  function makeCard(run) {
    const image = h("img", { alt: "", loading: "lazy", decoding: "async", hidden: true });
    const state = h("span", { class: "state" });
    const facts = h("span", { class: "soft numbers" });
    const progress = h("progress", { max: 1, value: 0, "aria-label": `Progress of ${run.name}` });
    const pick = h("input", { type: "checkbox", "aria-label": `Choose ${run.name} for comparison`, onchange: () => {
      if (pick.checked) chosen.add(run.name); else chosen.delete(run.name);
      card.classList.toggle("chosen", pick.checked);
      update();
    } });
    const remove = h("button", { type: "button", class: "icon menu", "aria-label": `Delete ${run.name}`, title: "Delete", onclick: () => deleteRun(run.name) }, "×");
    const card = h("li", { class: "card" }, h("div", { class: "picture" }, image),
      h("div", { class: "caption" }, h("a", { href: `#/run/${run.name.split("/").map(encodeURIComponent).join("/")}` }, run.name), state, facts, progress),
      h("div", { class: "pick" }, pick), remove);
    let version = null;
    card.update = (now) => {
      if (now.picture && now.picture !== version) {
        version = now.picture;
        const next = new Image();
        next.onload = () => { image.src = next.src; image.hidden = false; };
        next.src = address(runPath(now.name, "/thumbnail"), { side: 512, v: version });
      }
      state.className = `state ${now.state}`;
      const active = now.state === "running" || now.state === "starting";
      state.textContent = now.state === "stopped" && now.steps ? `stopped at ${now.step} of ${now.steps}` : STATES[now.state];
      progress.hidden = !active;
      progress.max = Math.max(1, now.steps);
      progress.value = now.step;
      facts.textContent = [now.is_film && `film of ${counted(now.steps, "frame")}`, now.brush, now.pixels && now.pixels.join(" × "), now.loss !== null && `loss ${number(now.loss)}`, now.seconds ? duration(now.seconds) : null].filter(Boolean).map((fact) => fact.replaceAll(" ", "\u00a0")).join(" · ");
    };
    return card;
  }

  const deleteRun = (name) => deleteAfterQuestion({ what: name, text: RUN_QUESTION, remove: () => send("DELETE", runPath(name)), restore: (trashed) => restore(trashed, name), changed: refresh });

  async function refresh() {
    try {
      ({ runs } = await get("/api/runs"));
      connection(true);
      update();
    } catch (error) {
      if (error instanceof TypeError) connection(false);
      else throw error;
    }
  }

  await refresh();
  const timer = setInterval(() => { if (!document.hidden) refresh().catch(() => {}); }, REFRESH_MS);
  return () => clearInterval(timer);
}

// Requests to the server. The token of the address goes with each of them.

const token = new URLSearchParams(location.search).get("token") ?? "";

/** Return the address of something on the server. */
export function address(path, parameters = {}) {
  const url = new URL(path.replace(/^\//, ""), location.origin + location.pathname);
  for (const [name, value] of Object.entries({ ...parameters, token })) url.searchParams.set(name, value);
  return url.href;
}

/** Return the path of a run in the JSON interface. */
export const runPath = (name, rest = "") => `/api/runs/${name.split("/").map(encodeURIComponent).join("/")}${rest}`;

export const RUN_QUESTION = "The run moves into the folder trash, from which it can be restored.";

/** An error that the server has reported, with what to do about it. */
export class ServerError extends Error {
  constructor({ error, hint }, status) {
    super(hint ? `${error}. ${hint}` : error);
    this.status = status;
  }
}

async function answer(response) {
  const content = await response.json().catch(() => ({ error: "the server has sent no answer" }));
  if (!response.ok) throw new ServerError(content, response.status);
  return content;
}

export const get = async (path, parameters) => answer(await fetch(address(path, parameters)));

export const send = async (method, path, values = {}) =>
  answer(await fetch(address(path), { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(values) }));

export const restore = (trashed, name) => send("POST", `/api/trash/${encodeURIComponent(trashed)}/restore`, { name });

export const upload = async (file, name) =>
  answer(await fetch(address("/api/uploads", { name }), { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file }));

/** Listen to the events of a run while the page is visible; connects again by itself. Returns a function that ends it. */
export function listen(name, handlers, onconnection) {
  let source = null, retry = 0;
  function open() {
    close();
    source = new EventSource(address(runPath(name, "/events")));
    for (const [event, handler] of Object.entries(handlers)) source.addEventListener(event, ({ data }) => handler(JSON.parse(data)));
    source.onopen = () => onconnection(true);
    source.onerror = () => {
      onconnection(false);
      if (source.readyState === EventSource.CLOSED) retry = setTimeout(open, 2000);
    };
  }
  function close() {
    clearTimeout(retry);
    source?.close();
    source = null;
  }
  const follow = () => (document.hidden ? close() : open());
  document.addEventListener("visibilitychange", follow);
  follow();
  return () => { document.removeEventListener("visibilitychange", follow); close(); };
}

// The HTTP/JSON API of this server: docs/json-api.md.

const kToken = "fetchd-token";
let askForToken = null;  // (error) => Promise<string>

export function onTokenNeeded(ask) { askForToken = ask; }

export class ApiError extends Error {
  constructor(status, error) {
    super(error?.message ?? `HTTP ${status}`);
    this.status = status;
    this.reason = error?.details?.find((detail) => detail.reason)?.reason ?? "";
  }
}

async function send(path, options, token) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  return fetch(path, { ...options, headers, cache: "no-store", credentials: "omit", redirect: "error" });
}

let asking = null;  // One question for all calls that wait for its answer.
async function ask(error) {
  asking ??= askForToken(error).finally(() => { asking = null; });
  sessionStorage.setItem(kToken, await asking);
}

async function open(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(kToken);
    const answer = await send(path, options, token);
    if (answer.ok) return answer;
    const body = await answer.json().catch(() => null);
    const error = new ApiError(answer.status, body?.error);
    if (answer.status !== 401) throw error;
    // Another call may have been told a better one meanwhile.
    if (token === sessionStorage.getItem(kToken)) await ask(token ? error : null);
  }
}

export const get = async (path) => (await open(path)).json();
export const post = async (path, body = {}) =>
  (await open(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) })).json();

export function query(parameters) {
  const pairs = Object.entries(parameters).flatMap(([name, values]) =>
    [values].flat().filter((value) => value !== "" && value != null).map((value) => [name, value]));
  return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
}

const wait = (time, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, time);
  signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
});

/**
 * Follows a stream of events for as long as `signal` lets it, and goes on where it broke off.
 * onOpen(resumed): it has begun; what came before is known only when it was resumed.
 * onEvent(name, data), onState("connecting" | "live" | "lost", error).
 */
export async function follow(path, { signal, onOpen, onEvent, onState }) {
  let token = "", delay = 500;
  while (!signal.aborted) {
    onState("connecting");
    try {
      const answer = await open(path, { signal, headers: token ? { "Last-Event-ID": token } : {} });
      for await (const event of events(answer.body)) {
        if (event === null) {
          onState("live");
          onOpen(token !== "");
          delay = 500;
        } else if (event.name === "failure") {
          throw new ApiError(event.data.error.code, event.data.error);
        } else {
          token = event.id || token;
          onEvent(event.name, event.data);
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 400) token = "";  // Of another store: begin anew.
      onState("lost", error);
    }
    await wait(delay * (0.75 + Math.random() / 2), signal);
    delay = Math.min(2 * delay, 10000);
  }
}

/** The events of a body, and null where it opens. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", opened = false;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      if (!opened) { opened = true; yield null; }
      const event = { name: "message", id: "", data: null };
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) event.name = line.slice(7);
        if (line.startsWith("id: ")) event.id = line.slice(4);
        if (line.startsWith("data: ")) event.data = JSON.parse(line.slice(6));
      }
      if (event.data !== null) yield event;
    }
  }
}

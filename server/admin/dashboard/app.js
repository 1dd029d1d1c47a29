// Wires the page: routes, the watch, the keyboard, who calls.
import { ago, byId, toast } from "./dom.js";
import { follow, get, onTokenNeeded, post } from "./api.js";
import { showDials } from "./dials.js";
import { JobBook, JobsView } from "./jobs.js";
import { JobView } from "./job.js";
import { OriginsView } from "./origins.js";

const book = new JobBook(), filters = {};
let view = null;

function route() {
  view?.hide();
  const path = location.hash.slice(1), job = path.match(/^\/(jobs\/[0-9a-z]+)$/);
  view = job ? new JobView(book, job[1]) : path === "/origins" ? new OriginsView() : new JobsView(book, filters);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === (path === "/origins" ? "origins" : "jobs")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.body.dataset.view = job ? "job" : path === "/origins" ? "origins" : "jobs";
  document.title = job ? `${job[1]} · fetchd` : "fetchd";
  view.show(byId("main"));
}

onTokenNeeded((error) => new Promise((resolve) => {
  const dialog = byId("ask-token"), field = byId("token");
  byId("token-error").textContent = error?.message ?? "";
  field.value = "";
  dialog.addEventListener("close", () => {
    if (field.value) resolve(field.value);
    else dialog.showModal();
  });
  dialog.showModal();
  field.focus();
}));

async function showServer(signal) {
  while (!signal.aborted) {
    try {
      const status = await get("/v1/status"), box = byId("server");
      const counts = ["QUEUED", "RUNNING", "WAITING", "FAILED"].map((state) => `${Number(status.jobsByState?.[state] ?? 0).toLocaleString()} ${state.toLowerCase()}`).join(" · ");
      const replicas = status.replicas ?? [], lost = replicas.filter((replica) => parseFloat(replica.leaseLeft ?? "0") === 0).length;
      const fleet = replicas.length > 1 ? ` · ${replicas.length} replicas${lost ? ` (${lost} lost)` : ""}` : "";
      const text = `${status.version} · up ${ago(status.startTime)}${fleet} · ${counts}`;
      box.title = replicas.map((replica) => `${replica.host}: ${replica.runningJobs ?? 0} jobs`).join("\n");
      box.textContent = status.draining ? "draining · " + text : text;
      byId("drain").hidden = Boolean(status.draining);
    } catch (error) {
      if (error.status === 403) {
        byId("server").textContent = "";
        return;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

function showLink(state, error) {
  const names = { connecting: "connecting", live: "live", lost: "reconnecting" };
  byId("link").dataset.state = state;
  byId("link").lastElementChild.textContent = names[state];
  byId("link").title = error?.message ?? "";
}

byId("drain").addEventListener("click", () => byId("ask-drain").showModal());
byId("ask-drain").addEventListener("close", async (event) => {
  if (event.target.returnValue !== "drain") return;
  event.target.returnValue = "";
  try {
    const answer = await post("/v1:drain");
    toast(`Draining: what runs has until ${new Date(answer.deadline).toLocaleTimeString()}`);
  } catch (error) {
    toast(error.message);
  }
});
byId("help").addEventListener("click", () => byId("keys").showModal());

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") {
    if (event.target.matches("input, select")) event.target.blur();
    else if (location.hash.length > 2) location.hash = "#/";
    return;
  }
  if (event.target.matches("input, select, textarea")) return;
  const keys = {
    "/": () => byId("search")?.focus(),
    "?": () => byId("keys").showModal(),
    j: () => view.move?.(1),
    k: () => view.move?.(-1),
    Enter: () => { if (!event.target.matches("a, button")) view.openSelected?.(); },
  };
  if (!keys[event.key]) return;
  if (event.key !== "Enter") event.preventDefault();
  keys[event.key]();
});

addEventListener("hashchange", () => { route(); byId("main").focus({ preventScroll: true }); });

const life = new AbortController();
addEventListener("pagehide", () => life.abort());
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

route();
follow("/v1/jobs:watch?progressInterval=0.5s", {
  signal: life.signal,
  onState: showLink,
  // What happened while nobody watched is not told again without a token.
  onOpen: (resumed) => { if (!resumed) view.load?.(""); },
  onEvent: (name, data) => book.apply(name, data),
});
showServer(life.signal);
showDials(life.signal);

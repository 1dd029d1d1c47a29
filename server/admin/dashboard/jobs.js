// The list of jobs: what there is, as it changes.
import { ago, bytes, errorNotice, h, notice, rate } from "./dom.js";
import { get, query } from "./api.js";

const kPage = 200, kMostShown = 1000, kMostKept = 5000;
const kStates = ["QUEUED", "RUNNING", "WAITING", "INTERRUPTED", "PAUSED", "SUCCEEDED", "FAILED", "CANCELLED"];
const kActive = new Set(["QUEUED", "RUNNING", "WAITING", "INTERRUPTED", "PAUSED"]);

/** Of all jobs that were told of: by name, newest first in names. */
export class JobBook {
  constructor() {
    this.jobs = new Map();
    this.changed = () => {};
  }
  put(job) {
    const known = this.jobs.get(job.name);
    if (known && Date.parse(known.updateTime) > Date.parse(job.updateTime)) return;
    this.jobs.set(job.name, job);
    // A tab may be open for weeks.
    if (this.jobs.size > 1.2 * kMostKept) this.all().slice(kMostKept).forEach((old) => this.jobs.delete(old.name));
  }
  apply(name, event) {
    const known = this.jobs.get(event.name);
    if (name === "stateChange") this.put(event.stateChange.job);
    if (name === "progress" && known) this.jobs.set(event.name, { ...known, progress: event.progress });
    if (name === "deleted") this.jobs.delete(event.name);
    this.changed(event.name);
  }
  /** Names have their time in front. */
  all() { return [...this.jobs.values()].sort((a, b) => (a.name < b.name ? 1 : -1)); }
}

export function urlParts(text) {
  try {
    const url = new URL(text);
    return { host: `${url.protocol === "https:" ? "" : `${url.protocol}//`}${url.host}`, path: text.slice(text.indexOf(url.host) + url.host.length) || "/" };
  } catch {
    return { host: "", path: text };
  }
}

export function stateOf(job) { return h("span", { class: `state ${kStates.includes(job.state) ? job.state : ""}` }, (job.state ?? "").toLowerCase()); }

function progressOf(job) {
  const got = Number(job.progress?.receivedBytes ?? job.result?.sizeBytes ?? 0), whole = Number(job.progress?.totalBytes ?? 0);
  if (job.state !== "RUNNING" || whole === 0) return [got ? bytes(got) : h("span", { class: "host" }, "–")];
  return [h("progress", { max: whole, value: got, "aria-label": "received" }), `${bytes(got)} of ${bytes(whole)}`];
}

const originOf = (job) => { try { return new URL(job.spec.urls[0]).origin; } catch { return ""; } };

export class JobsView {
  constructor(book, filters) {
    this.book = book;
    this.filters = filters;  // Outlives the view, so that going back finds them.
    this.rows = new Map();
    this.changed = new Set();
    this.frame = null;
    this.next = "";
  }

  show(place) {
    const input = (name, attributes) => h("input", { ...attributes, value: this.filters[name] ?? "", oninput: (event) => this.set(name, event.target.value) });
    this.state = h("select", { "aria-label": "State", onchange: (event) => this.set("state", event.target.value) },
      [["", "any state"], ["active", "not ended"], ...kStates.map((state) => [state, state.toLowerCase()])].map(([value, text]) =>
        h("option", { value, selected: (this.filters.state ?? "") === value }, text)));
    this.search = input("text", { type: "search", id: "search", placeholder: "Search URLs, names, destinations, errors", "aria-label": "Search", "aria-keyshortcuts": "/" });
    this.count = h("span", { class: "count", role: "status" });
    this.body = h("tbody");
    this.table = h("table", { class: "jobs stack", "aria-label": "Jobs" },
      h("colgroup", null, ["w-state", null, "w-received", "w-rate", "w-where", "w-age"].map((name) => h("col", { class: name }))),
      h("thead", null, h("tr", null, ["State", "URL", "Received", "Rate", "Destination", "Age"].map((name) =>
        h("th", { scope: "col", class: name === "Rate" || name === "Age" ? "num" : null }, name)))), this.body);
    this.empty = h("div");
    this.more = h("p", { class: "more", hidden: true }, h("button", { type: "button", onclick: () => this.load(this.next) }, "Show older ones"));
    place.replaceChildren(h("div", { class: "filters", role: "search" }, this.search, this.state,
      input("tenant", { placeholder: "tenant", size: 10, "aria-label": "Tenant" }), input("origin", { placeholder: "https://origin", size: 18, "aria-label": "Origin" }),
      input("label", { placeholder: "label=value", size: 14, "aria-label": "Label" }), this.count), this.table, this.empty, this.more);
    this.book.changed = (name) => this.update(name);
    this.timer = setInterval(() => this.tick(), 1000);
    this.render();
    this.load("");
  }

  hide() {
    this.book.changed = () => {};
    cancelAnimationFrame(this.frame);
    this.frame = null;
    clearInterval(this.timer);
    clearTimeout(this.asking);
  }

  set(name, value) {
    this.filters[name] = value;
    this.render();
    clearTimeout(this.asking);
    this.asking = setTimeout(() => this.load(""), 300);
  }

  /** What the server filters by; the text is looked for here. */
  parameters(pageToken) {
    const { state, tenant, origin, label } = this.filters, [key, value] = (label ?? "").split(/=(.*)/s);
    return { pageSize: kPage, pageToken, "filter.states": state === "active" ? [...kActive] : state, "filter.tenant": tenant, "filter.origin": origin,
             ...(key && value ? { [`filter.labels.${key}`]: value } : {}) };
  }

  async load(pageToken) {
    const turn = this.turn = Symbol();
    try {
      const page = await get(`/v1/jobs${query(this.parameters(pageToken))}`);
      if (turn !== this.turn) return;
      this.next = page.nextPageToken ?? "";
      (page.jobs ?? []).forEach((job) => this.book.put(job));
      this.error = null;
    } catch (error) {
      if (turn !== this.turn) return;
      this.error = error;
    }
    this.loaded = true;
    this.render();
  }

  matches(job) {
    const { text, state, tenant, origin, label } = this.filters, [key, value] = (label ?? "").split(/=(.*)/s);
    if (state === "active" ? !kActive.has(job.state) : state && job.state !== state) return false;
    if (tenant && job.tenant !== tenant) return false;
    if (origin && originOf(job) !== origin.replace(/\/$/, "")) return false;
    if (key && value && job.labels?.[key] !== value) return false;
    if (!text) return true;
    const words = [job.name, ...(job.spec?.urls ?? []), job.destination, job.tenant, job.error?.message, ...Object.entries(job.labels ?? {}).flat()];
    return words.some((word) => word?.toLowerCase().includes(text.toLowerCase()));
  }

  /** What many events change is drawn once. */
  update(name) {
    this.changed.add(name);
    this.frame ??= requestAnimationFrame(() => this.drawChanged());
  }

  drawChanged() {
    this.frame = null;
    let moved = false;
    for (const name of this.changed) {
      const job = this.book.jobs.get(name), row = this.rows.get(name), matches = job && this.matches(job);
      if (row && matches) this.fill(row, job);
      else moved ||= Boolean(row || matches);
    }
    this.changed.clear();
    if (moved) this.render();
  }

  render() {
    const jobs = this.book.all().filter((job) => this.matches(job)), shown = jobs.slice(0, kMostShown);
    const rows = shown.map((job) => {
      const row = this.rows.get(job.name) ?? h("tr", { class: "job", tabindex: "-1", "data-name": job.name, onclick: (event) => { if (!event.target.closest("a")) location.hash = `#/${job.name}`; } });
      this.fill(row, job);
      return row;
    });
    this.rows = new Map(shown.map((job, at) => [job.name, rows[at]]));
    this.body.replaceChildren(...rows);
    this.table.hidden = rows.length === 0;
    this.count.textContent = jobs.length > shown.length ? `the newest ${shown.length} of ${jobs.length} jobs` : jobs.length === 1 ? "1 job" : `${jobs.length} jobs`;
    this.more.hidden = this.next === "";
    this.empty.replaceChildren(...(this.error ? [errorNotice(this.error, () => this.load(""))] : rows.length || !this.loaded ? [] : [this.nothing()]));
  }

  nothing() {
    if (Object.values(this.filters).some((value) => value)) {
      return notice("No job is like that", "Of those that were loaded, and of what the server found.", h("br"),
        h("button", { type: "button", onclick: () => { Object.keys(this.filters).forEach((name) => delete this.filters[name]); this.hide(); this.show(this.table.parentElement); } }, "Clear the filters"));
    }
    return notice("Nothing has been asked for yet", "Jobs appear here as they are submitted: ", h("code", null, "fetchctl submit https://example.org/a.iso"));
  }

  fill(row, job) {
    // Only what has changed: a row that is being read stays as it is.
    const key = JSON.stringify(job);
    if (row.key === key) return;
    row.key = key;
    const { host, path } = urlParts(job.spec?.urls?.[0] ?? "");
    const failed = job.error && job.state !== "SUCCEEDED";
    row.replaceChildren(
      h("td", null, stateOf(job)),
      h("td", { class: "wide url" }, h("div", { class: "line" }, h("a", { href: `#/${job.name}`, title: job.spec?.urls?.[0] }, h("span", { class: "host" }, host), path),
          Object.entries(job.labels ?? {}).map(([name, value]) => h("span", { class: "label", title: `${name}=${value}` }, `${name}=${value}`)),
          job.tenant && job.tenant !== "default" ? h("span", { class: "label", title: "tenant" }, job.tenant) : null),
        failed ? h("div", { class: "sub why", title: job.error.message }, job.error.message) : null),
      h("td", { class: "received" }, progressOf(job)),
      h("td", { class: "num rate" }, job.state === "RUNNING" ? rate(job.progress?.rateBytesPerSec) : ""),
      h("td", { class: "wide where", title: job.destination }, job.destination ?? ""),
      h("td", { class: "num age", title: job.createTime }, ago(job.createTime)));
  }

  tick() {
    for (const [name, row] of this.rows) {
      const age = row.querySelector(".age"), text = ago(this.book.jobs.get(name)?.createTime);
      if (age && age.textContent !== text) age.textContent = text;
    }
  }

  /** j and k. */
  move(step) {
    const rows = [...this.body.rows];
    if (rows.length === 0) return;
    const at = rows.findIndex((row) => row.getAttribute("aria-selected") === "true");
    rows[at]?.removeAttribute("aria-selected");
    const row = rows[Math.min(Math.max(at + step, 0), rows.length - 1)];
    row.setAttribute("aria-selected", "true");
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }
  openSelected() {
    const row = this.body.querySelector("[aria-selected=true]");
    if (row) location.hash = `#/${row.dataset.name}`;
  }
}

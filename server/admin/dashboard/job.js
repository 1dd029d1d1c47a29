// One job: what it is, why it waits, and where the time of its attempts went.
import { bytes, clock, duration, errorNotice, h, rate, seconds, svg, toast } from "./dom.js";
import { get, post } from "./api.js";
import { stateOf } from "./jobs.js";

const kLive = ["QUEUED", "RUNNING", "WAITING", "INTERRUPTED", "PAUSED"];
const kActions = [
  { verb: "pause", name: "Pause", when: ["QUEUED", "RUNNING", "WAITING", "INTERRUPTED"] },
  { verb: "resume", name: "Resume", when: ["PAUSED"] },
  { verb: "retry", name: "Retry", when: ["FAILED", "CANCELLED"] },
  { verb: "cancel", name: "Cancel", when: kLive, danger: true },
];

/** The waits of an attempt, one after the other. */
export function spansOf(attempt) {
  const spans = [];
  const add = (kind, name, took, note) => { if (took > 0 || note) spans.push({ kind, name, took, note: note ?? "" }); };
  add("wait", "transfer permit", seconds(attempt.transferPermitWait));
  for (const hop of attempt.hops ?? []) {
    const how = [hop.url, hop.httpStatus ? `→ ${hop.httpStatus}` : "", hop.joined ? "joined a read under way" : "", hop.redialled ? "stale connection replaced" : "",
                 hop.reused && !hop.redialled ? "connection reused" : ""].filter(Boolean).join("  ");
    add("wait", "pool", seconds(hop.poolWait), how);
    if (!hop.joined && (!hop.reused || hop.redialled)) {
      add("dns", "DNS", seconds(hop.dns), hop.dnsCached ? "cached" : "");
      add("connect", "connect", seconds(hop.connect), (hop.addresses ?? []).map((tried) => `${tried.address} ${tried.outcome}`).join(", "));
      add("connect", "proxy", seconds(hop.proxyNegotiation), hop.proxy);
      add("tls", "TLS", seconds(hop.tls), [hop.tlsDescription, hop.tlsResumed ? "resumed" : ""].filter(Boolean).join(" "));
    }
    add("first", "first byte", seconds(hop.firstByte));
  }
  const known = spans.reduce((sum, span) => sum + span.took, 0);
  const rest = Math.max(0, seconds(attempt.transferPermitWait) + seconds(attempt.duration) - known), held = [];
  if (Number(attempt.receivedBytes ?? 0) > 0) held.push(bytes(attempt.receivedBytes));
  if (seconds(attempt.bufferWait) >= 0.001) held.push(`${duration(seconds(attempt.bufferWait))} of it for buffers`);
  if (seconds(attempt.rateWait) >= 0.001) held.push(`held back by limits for ${duration(seconds(attempt.rateWait))}`);
  if (Number(attempt.receivedBytes ?? 0) > 0) add("body", "body", rest, held.join(", "));
  else add("end", "end", rest, held.join(", "));
  return spans;
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function waterfall(attempt, width) {
  const spans = spansOf(attempt), whole = Math.max(1e-9, spans.reduce((sum, span) => sum + span.took, 0));
  const narrow = width < 560, left = narrow ? 92 : 112, times = 66, notes = narrow ? 0 : Math.min(380, width * 0.36);
  const bar = Math.max(60, width - left - times - notes - 16), from = left + times + 8;
  let at = 0, height = 0;
  const rows = spans.map((span) => {
    const y = height, x = from + bar * (at / whole), wide = Math.max(span.took > 0 ? 1.5 : 0, bar * (span.took / whole));
    at += span.took;
    height += narrow && span.note ? 36 : 22;
    return svg("g", null, svg("title", null, `${span.name}: ${duration(span.took)} ${span.note}`),
      svg("text", { x: 0, y: y + 15 }, span.name), svg("text", { class: "time", x: left + times - 4, y: y + 15 }, duration(span.took)),
      svg("rect", { class: span.kind, x, y: y + 5, width: wide, height: 12, rx: 2 }),
      span.note ? svg("text", narrow ? { class: "note", x: 0, y: y + 31 } : { class: "note", x: from + bar + 12, y: y + 15 },
                      cut(span.note, Math.floor((narrow ? width : notes) / 6.4))) : null);
  });
  const grid = [0, 0.25, 0.5, 0.75, 1].map((part) => svg("line", { class: "grid", x1: from + bar * part, x2: from + bar * part, y1: 0, y2: height }));
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": `Waterfall of attempt ${attempt.number}: ${spans.map((span) => `${span.name} ${duration(span.took)}`).join(", ")}` },
             grid, rows);
}

export class JobView {
  constructor(book, name) {
    this.book = book;
    this.name = name;
  }

  show(place) {
    this.place = place;
    this.book.changed = (name) => { if (name === this.name) this.refresh(); };
    this.onResize = () => this.draw();
    addEventListener("resize", this.onResize);
    place.replaceChildren(h("p", { class: "notice" }, "Looking it up…"));
    this.refresh();
  }
  hide() {
    this.book.changed = () => {};
    this.hidden = true;
    clearTimeout(this.again);
    removeEventListener("resize", this.onResize);
  }

  /** Once at a time; what changes meanwhile is looked at afterwards, twice a second at most. */
  async refresh() {
    if (this.busy) { this.dirty = true; return; }
    this.busy = true;
    this.dirty = false;
    try {
      const explained = await get(`/v1/${this.name}:explain`);
      if (this.hidden) return;
      this.explained = explained;
      this.book.put(explained.job);
      this.draw();
    } catch (error) {
      if (this.hidden) return;
      if (!this.explained || error.status === 404) this.place.replaceChildren(back(), errorNotice(error, () => this.refresh()));
      else toast(error.message);
    }
    this.again = setTimeout(() => { this.busy = false; if (this.dirty) this.refresh(); }, 500);
  }

  async act(action, button) {
    button.disabled = true;
    try {
      await post(`/v1/${this.name}:${action.verb}`);
    } catch (error) {
      toast(error.message);
    }
    button.disabled = false;
    this.refresh();
  }

  draw() {
    if (!this.explained) return;
    const { job, wait } = this.explained, [url, ...mirrors] = job.spec?.urls ?? [""];
    const facts = [["Destination", job.result?.destination || job.destination], ["Also to", (job.moreDestinations ?? []).join(", ")], ["Mirrors", mirrors.join(", ")], ["Tenant", job.tenant], ["Batch", job.batch],
      ["Labels", Object.entries(job.labels ?? {}).map(([key, value]) => h("span", { class: "label" }, `${key}=${value}`))], ["Priority", job.priority],
      ["Created", clock(job.createTime)], ["Started", clock(job.startTime)], ["Ended", clock(job.endTime)], ["Attempts", job.attemptCount],
      ["Size", job.result ? bytes(job.result.sizeBytes) : ""], ["Received", Number(job.progress?.receivedBytes ?? 0) > 0 && !job.result ? `${bytes(job.progress.receivedBytes)}${job.progress.totalBytes ? ` of ${bytes(job.progress.totalBytes)}` : ""}` : ""],
      ["Rate", job.state === "RUNNING" && job.progress ? `${rate(job.progress.rateBytesPerSec)}${job.progress.eta ? `, ${duration(seconds(job.progress.eta))} to go` : ""}` : ""],
      ["Digest", (job.result?.digests ?? []).map((digest) => h("div", { class: "mono" }, digest))], ["Name", h("span", { class: "mono" }, job.name)]];
    const focused = document.activeElement?.dataset?.verb;
    this.place.replaceChildren(h("article", { class: "page" }, back(),
      h("div", { class: "title" }, stateOf(job), h("h2", null, url), h("div", { class: "actions" }, kActions.filter((action) => action.when.includes(job.state)).map((action) =>
        h("button", { type: "button", class: action.danger ? "danger" : null, "data-verb": action.verb, onclick: (event) => this.act(action, event.target) }, action.name)))),
      wait ? h("p", { class: "callout" }, `It waits: ${wait.explanation}.`, wait.remedy ? ` ${wait.remedy}` : "", wait.until ? ` Until ${clock(wait.until)}.` : "") : null,
      job.error && job.state !== "SUCCEEDED" ? h("p", { class: "callout bad" }, job.error.message) : null,
      h("dl", { class: "facts" }, facts.filter(([, value]) => value && value.length !== 0).flatMap(([name, value]) => [h("dt", null, name), h("dd", null, value)])),
      (job.attempts ?? []).map((attempt) => this.attempt(attempt)),
      (job.attempts ?? []).length === 0 ? h("p", { class: "notice" }, h("strong", null, "No attempt has ended yet"), "Where its time goes is drawn when one has.") : null));
    if (focused) this.place.querySelector(`[data-verb=${focused}]`)?.focus();
  }

  attempt(attempt) {
    const outcome = (attempt.outcome ?? "").replace("OUTCOME_", "").replace("_", " ").toLowerCase();
    const more = [attempt.failedPhase ? `in ${attempt.failedPhase}` : "", Number(attempt.resumedFromBytes ?? 0) ? `went on from ${bytes(attempt.resumedFromBytes)}` : "",
                  attempt.restarted ? "began anew" : "", attempt.segments?.mostConnections > 1 ? `over ${attempt.segments.mostConnections} connections` : ""].filter(Boolean).join(", ");
    return h("section", { class: "attempt" }, h("h3", null, `Attempt ${attempt.number}  ·  ${outcome}${more ? ` ${more}` : ""}  ·  ${duration(seconds(attempt.duration))}  ·  ${clock(attempt.startTime)}`),
      waterfall(attempt, Math.max(320, this.place.clientWidth - 4 > 1080 ? 1080 : this.place.clientWidth - parseFloat(getComputedStyle(this.place).paddingLeft) * 2)),
      attempt.error ? h("p", null, attempt.error.message) : null, attempt.decision ? h("p", null, attempt.decision) : null);
  }
}

const back = () => h("p", { class: "sub" }, h("a", { href: "#/" }, "← All jobs"));

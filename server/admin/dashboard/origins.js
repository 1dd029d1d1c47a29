// Origins: their pools, and what holds them.
import { duration, errorNotice, h, notice, percent, rate, seconds } from "./dom.js";
import { get } from "./api.js";

const kHolds = { HOLD_PAUSED: "paused", HOLD_COOL_DOWN: "cool-down", HOLD_CIRCUIT_OPEN: "circuit open", HOLD_TRANSFER_LIMIT: "transfer limit",
                 HOLD_REQUEST_RATE: "request rate", HOLD_RETRY_BUDGET: "retry budget" };

export class OriginsView {
  show(place) {
    this.place = place;
    place.replaceChildren(h("p", { class: "notice" }, "Looking them up…"));
    this.refresh();
  }
  hide() {
    this.hidden = true;
    clearTimeout(this.timer);
  }

  async refresh() {
    try {
      const [status, paced] = await Promise.all([get("/v1/status"), get("/v1/origins")]);
      if (this.hidden) return;
      this.draw(status.origins ?? [], paced.origins ?? []);
    } catch (error) {
      if (this.hidden) return;
      this.place.replaceChildren(error.status === 403 ? notice("Origins are told to admins", error.message) : errorNotice(error, () => this.refresh()));
      if (error.status === 403) return;
    }
    this.timer = setTimeout(() => this.refresh(), 2000);
  }

  draw(pools, paced) {
    const states = new Map(paced.map((state) => [state.origin, state])), known = new Map(pools.map((pool) => [pool.origin, pool]));
    const names = [...new Set([...known.keys(), ...states.keys()])];
    if (names.length === 0) return this.place.replaceChildren(notice("No origin has been met yet", "They appear with the first request."));
    const columns = ["Origin", "Open", "Idle", "In flight", "Waiting", "Requests", "Reuse", "Pool wait p99", "Retries", "Body rate", "Held by", "Failures", "Openings"];
    const rows = names.map((name) => {
      const pool = known.get(name) ?? {}, state = states.get(name) ?? {}, dials = pool.dials ?? {}, hold = kHolds[state.hold];
      const cell = (title, value) => h("td", { class: "num", "data-name": title }, value);
      return h("tr", null, h("td", { class: "wide", title: name }, name), cell("open", pool.open ?? 0), cell("idle", pool.idle ?? 0), cell("in flight", pool.inFlight ?? 0), cell("waiting", pool.waiting ?? 0),
        cell("requests", dials.requests ?? 0), cell("reuse", percent(dials.connectionReuseRatio ?? 0)), cell("p99", dials.poolWaitP99 ? duration(seconds(dials.poolWaitP99)) : "–"), cell("retries", dials.retries ?? 0),
        cell("rate", state.bodyBytesPerSec ? rate(state.bodyBytesPerSec) : "–"),
        h("td", { "data-name": "held by" }, hold ? h("span", { class: "state WAITING" }, hold, state.heldFor ? ` ${duration(seconds(state.heldFor))}` : "") : "–"),
        cell("failures in a row", state.failuresInARow ?? 0), cell("circuit openings", state.circuitOpenings ?? 0));
    });
    this.place.replaceChildren(h("table", { class: "origins stack", "aria-label": "Origins" },
      h("colgroup", null, columns.map((name) => h("col", { class: name === "Origin" ? "w-origin" : name === "Held by" ? "w-hold" : null }))),
      h("thead", null, h("tr", null, columns.map((name, at) => h("th", { scope: "col", class: at > 0 && name !== "Held by" ? "num" : null }, name)))), h("tbody", null, rows)));
  }
}

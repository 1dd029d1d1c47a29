// Throughput and the five dials over the last hour.
import { byId, clock, duration, h, percent, rate, seconds, svg } from "./dom.js";
import { get } from "./api.js";

const kWidth = 240, kHeight = 44;

/** least: what the scale reaches at least, so that noise looks like noise. */
const dials = [
  { name: "Throughput", of: (s) => Number(s.bytesPerSec ?? 0), show: rate, least: 1024 },
  { name: "Connection reuse", of: (s) => s.connectionReuseRatio, show: percent, least: 1 },
  { name: "Pool wait", of: (s) => (s.poolWaitMean == null ? undefined : seconds(s.poolWaitMean)), show: duration, least: 0.01 },
  { name: "In flight", of: (s) => Number(s.inFlight ?? 0), show: (value) => value.toFixed(0), least: 4 },
  { name: "Retries", of: (s) => s.retryRatio, show: percent, least: 0.05 },
  { name: "Loop lag", of: (s) => seconds(s.loopLag), show: duration, least: 0.005 },
];

function draw(dial, samples, span) {
  const points = samples.map((sample) => ({ at: Date.parse(sample.time), value: dial.of(sample) }));
  const end = points.length ? points.at(-1).at : Date.now();
  const top = Math.max(dial.least, ...points.map((point) => point.value ?? 0));
  const x = (at) => kWidth * (1 - (end - at) / span);
  const y = (value) => kHeight - (kHeight - 2) * (value / top);
  const runs = [[]];  // Where nothing was asked for, there is no ratio.
  for (const point of points) {
    if (point.value === undefined) runs.push([]);
    else runs.at(-1).push(`${x(point.at).toFixed(1)},${y(point.value).toFixed(1)}`);
  }
  const drawn = runs.filter((run) => run.length > 0);
  const last = points.findLast((point) => point.value !== undefined);
  const now = h("b", null, last ? dial.show(last.value) : "–");
  const cursor = svg("line", { class: "cursor", y1: 0, y2: kHeight, visibility: "hidden" });
  const picture = svg("svg", { viewBox: `0 0 ${kWidth} ${kHeight}`, preserveAspectRatio: "none", role: "img",
                               "aria-label": `${dial.name}: ${now.textContent}` },
    svg("line", { class: "base", x1: 0, x2: kWidth, y1: kHeight, y2: kHeight }),
    drawn.map((run) => svg("polygon", { class: "area", points: `${run[0].split(",")[0]},${kHeight} ${run.join(" ")} ${run.at(-1).split(",")[0]},${kHeight}` })),
    drawn.map((run) => svg("polyline", { class: "curve", points: run.join(" ") })), cursor);
  picture.addEventListener("pointermove", (event) => {
    const at = end - span * (1 - event.offsetX / picture.clientWidth);
    const near = points.reduce((best, point) => (Math.abs(point.at - at) < Math.abs(best.at - at) ? point : best), points[0]);
    if (near === undefined) return;
    now.textContent = `${new Date(near.at).toLocaleTimeString()}  ${near.value === undefined ? "–" : dial.show(near.value)}`;
    for (const end of ["x1", "x2"]) cursor.setAttribute(end, x(near.at));
    cursor.setAttribute("visibility", "visible");
  });
  picture.addEventListener("pointerleave", () => {
    now.textContent = last ? dial.show(last.value) : "–";
    cursor.setAttribute("visibility", "hidden");
  });
  return h("figure", { class: "dial" }, h("figcaption", null, h("span", null, dial.name), now), picture,
           h("div", { class: "scale", "aria-hidden": "true" }, h("span", null, "−1 h"), h("span", null, `to ${dial.show(top)}`)));
}

/** Draws them now and as samples come; says nothing where the caller may not know. */
export async function showDials(signal) {
  const place = byId("dials");
  while (!signal.aborted) {
    let pause = 10;
    try {
      const history = await get("/v1/history");
      pause = Math.max(1, seconds(history.interval));
      const span = 1000 * pause * Number(history.capacity ?? 360);
      place.replaceChildren(...dials.map((dial) => draw(dial, history.samples ?? [], span)));
      place.title = history.samples?.length ? `Since ${clock(history.samples[0].time)}` : "";
    } catch (error) {
      if (error.status === 403) return place.replaceChildren();
    }
    await new Promise((resolve) => setTimeout(resolve, 1000 * pause));
  }
}

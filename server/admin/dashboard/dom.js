// Elements and figures. Data become text nodes and attributes that hold no code, never markup.

/** h("a", {href: "#/", class: "x", onclick: f}, "text", child): attributes that are null are left out. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value == null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

export function notice(title, ...text) {
  return h("p", { class: "notice" }, h("strong", null, title), ...text);
}

export function errorNotice(error, retry) {
  const box = h("p", { class: "notice error", role: "alert" }, h("strong", null, "That did not work"), error.message);
  return retry ? h("div", null, box, h("p", { class: "more" }, h("button", { type: "button", onclick: retry }, "Try again"))) : box;
}

let toastTimer;
export function toast(text) {
  const box = byId("toast");
  box.textContent = text;
  box.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { box.hidden = true; }, 5000);
}

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
export function bytes(value) {
  let left = Number(value ?? 0), unit = 0;
  while (left >= 1024 && unit < units.length - 1) { left /= 1024; ++unit; }
  return `${unit === 0 ? left.toFixed(0) : left.toFixed(left < 10 ? 2 : left < 100 ? 1 : 0)} ${units[unit]}`;
}
export const rate = (value) => `${bytes(value)}/s`;
export const percent = (value) => `${(100 * value).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %`;

/** "1.5s" of protobuf's JSON, in seconds. */
export const seconds = (text) => (text == null ? 0 : parseFloat(text));

export function duration(value) {
  if (value === 0) return "0 ms";
  if (value < 0.001) return `${(1e6 * value).toFixed(0)} µs`;
  if (value < 1) return `${(1000 * value).toFixed(value < 0.01 ? 1 : 0)} ms`;
  if (value < 60) return `${value.toFixed(value < 10 ? 2 : 1)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} m ${Math.floor(value % 60)} s`;
  if (value < 86400) return `${Math.floor(value / 3600)} h ${Math.floor(value / 60) % 60} m`;
  return `${Math.floor(value / 86400)} d ${Math.floor(value / 3600) % 24} h`;
}

export function ago(time) {
  const past = Math.max(0, (Date.now() - Date.parse(time)) / 1000);
  if (past < 60) return `${Math.floor(past)} s`;
  if (past < 3600) return `${Math.floor(past / 60)} m`;
  if (past < 86400) return `${Math.floor(past / 3600)} h`;
  return `${Math.floor(past / 86400)} d`;
}

export const clock = (time) => (time ? new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }) : "");

// The content of the page, its language, how numbers are written, and how packed arrays are opened.
"use strict";
const DATA = JSON.parse(document.getElementById("content").textContent);
const BLOBS = JSON.parse(document.getElementById("blobs").textContent);
const page = { language: "en", redraws: [] };

function t(key, values) {
  const both = DATA.texts[key];
  const text = both ? both[page.language === "zh" ? 1 : 0] : key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (values && name in values ? values[name] : whole));
}

// A word that the tool chose (a column, a realm) in the reader's language; a user's own word as it is.
function word(text) {
  const known = page.language === "zh" ? DATA.words[text] || DATA.words[String(text).replace(/_/g, " ")] : null;
  return known || String(text);
}

function scenarioTitle(scenario) { return scenario.title || scenario.name; }
// As a reader writes it: `oecm_primary` -> OECM primary.
function pretty(text) {
  if (page.language === "zh") return word(text).replace(/_/g, " ");
  return String(text).replace(/_/g, " ").replace(/\b(oecm|kba|pa)(s?)\b/g, (whole, name, many) => name.toUpperCase() + many);
}

// The unit of costs; nothing where the data do not say more than "cost".
function costUnit(scenario) { return scenario.cost_unit === "cost" ? "" : word(scenario.cost_unit); }

function capital(text) { return text.charAt(0).toUpperCase() + text.slice(1); }

// "a", "a and b", "a, b and c"
function listed(items) {
  if (page.language === "zh") return items.join("、");
  return items.length < 2 ? items.join("") : items.slice(0, -1).join(", ") + " and " + items[items.length - 1];
}

function number(value, digits, least) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const locale = page.language === "zh" ? "zh-CN" : "en-GB";
  const most = digits !== undefined ? digits : Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 1 ? 2 : 4;
  if (value !== 0 && Math.abs(value) < 0.0001) return value.toExponential(2);
  return new Intl.NumberFormat(locale, { maximumFractionDigits: most, minimumFractionDigits: least || 0 }).format(value);
}

function percent(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const share = 100 * value;
  const digits = share === 0 || share === 100 ? 0 : Math.abs(share) < 1 ? 2 : 1;
  return number(share, digits, digits) + (page.language === "zh" ? "%" : " %");
}

// What is left of an optimum by rounding is no gap (as summary.percent has it).
function gapText(gap) { return percent(gap !== null && gap <= 1e-6 ? 0 : gap); }

// Elements are made of text nodes only: whatever a feature is called, it is shown and never run.
function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "class") node.className = value;
    else if (key === "style") Object.assign(node.style, value);
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) node.append(child);
  return node;
}

function fill(id, ...children) { document.getElementById(id).replaceChildren(...children.flat().filter((c) => c !== null)); }

const opened = {};
// "u2d:..." -> typed array; see pack() in frames.py: byte planes apart, differences where the type ends in d.
function unpack(name) {
  if (name in opened) return opened[name];
  const [kind, body] = BLOBS[name].split(":");
  const text = atob(body), packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const bytes = fflate.unzlibSync(packed), size = Number(kind[1]), count = bytes.length / size;
  let raw = bytes;
  if (size > 1) {
    raw = new Uint8Array(bytes.length);
    for (let plane = 0; plane < size; plane++)
      for (let i = 0, at = plane * count; i < count; i++) raw[i * size + plane] = bytes[at + i];
  }
  const types = { u1: Uint8Array, u2: Uint16Array, i4: Int32Array, f8: Float64Array };
  const values = new types[kind.slice(0, 2)](raw.buffer, raw.byteOffset, count);
  if (kind[2] === "d") for (let i = 1; i < count; i++) values[i] += values[i - 1];
  opened[name] = values;
  return values;
}

// Text with `code` in it, as nodes.
function rich(text) { return String(text).split("`").map((part, k) => (k % 2 ? make("code", {}, part) : part)); }

function swatch(colour, label) { return make("span", { class: "key" }, make("span", { class: "swatch", style: { background: colour } }), label); }

function table(name) {
  const found = DATA.tables.find((item) => item.name === name);
  if (!found || !found.rows.length) return null;
  const names = found.columns.map((column) => column[0]);
  return found.rows.map((row) => Object.fromEntries(row.map((value, index) => [names[index], value])));
}

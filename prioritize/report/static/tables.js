// Every table a run carries: sort, filter, definitions, CSV. And the caveats and provenance.
"use strict";
const FIRST_ROWS = 100;

function columnName(table, key) {
  if (table === "comparison") { const found = DATA.scenarios.find((item) => item.name === key); if (found) return scenarioTitle(found); }
  const area = /_km2$/.test(key), plain = key.replace(/_km2$/, "").replace(/_/g, " ");
  const text = page.language === "zh" ? DATA.words[plain] || plain : plain.charAt(0).toUpperCase() + plain.slice(1);
  return text + (area ? " (km²)" : "");
}

function isShare(key) { return /(^|_)share($|_)|^gini$|^threshold$|^jaccard$/.test(key) && !/text|definition/.test(key); }

function cell(key, value) {
  if (value === null || value === "") return "";
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  if (key === "percent" && typeof value === "number") return percent(value / 100);
  if (typeof value === "number") return /(^|_)id$|^year$/.test(key) ? String(value) : isShare(key) && key !== "gini" && key !== "jaccard" ? percent(value) : number(value);
  if (key === "scenario") { const found = DATA.scenarios.find((item) => item.name === value); return found ? scenarioTitle(found) : value; }
  return value in DATA.words ? pretty(value) : value;
}

function tables() {
  const open = new Set([...document.querySelectorAll("details.table[open]")].map((node) => node.dataset.name));
  if (!document.querySelector("details.table")) DATA.tables.slice(0, 1).forEach((item) => open.add(item.name));
  fill("table-area", DATA.tables.filter((item) => item.name !== "caveats").map((item) => {
    const body = make("div", { class: "table-body" });
    const node = make("details", { class: "table", "data-name": item.name, open: open.has(item.name) },
      make("summary", {}, make("h3", {}, (page.language === "zh" && DATA.titles[item.name]) || item.title), make("span", { class: "count" }, t("rows", { n: number(item.rows.length) }))), body);
    const build = () => { if (node.open && !body.childNodes.length) tableBody(item, body); };
    node.addEventListener("toggle", build);
    build();
    return node;
  }));
}

function tableBody(item, body) {
  const numeric = item.columns.map((column, k) => 2 * item.rows.filter((row) => typeof row[k] === "number").length > item.rows.filter((row) => row[k] !== null).length);
  const state = { by: null, down: false, text: "", all: false };
  const head = item.columns.map(([key, definition], k) => make("th", { scope: "col", class: numeric[k] ? "number" : "", title: definition || null, "aria-sort": "none" },
    make("button", { type: "button", title: definition || null, onclick: () => { state.down = state.by === k ? !state.down : false; state.by = k; draw(); } }, columnName(item.name, key))));
  const rows = make("tbody", {}), more = make("button", { type: "button", onclick: () => { state.all = true; draw(); } });
  const draw = () => {
    let list = item.rows;
    if (state.text) { const text = state.text.toLowerCase(); list = list.filter((row) => row.some((value) => value !== null && String(value).toLowerCase().includes(text))); }
    if (state.by !== null) {
      const k = state.by, way = state.down ? -1 : 1;
      list = [...list].sort((a, b) => {
        const [x, y] = [a[k], b[k]];
        if (x === null || y === null) return x === y ? 0 : x === null ? 1 : -1; // empty cells last, either way
        return way * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true }));
      });
    }
    head.forEach((node, k) => node.setAttribute("aria-sort", k !== state.by ? "none" : state.down ? "descending" : "ascending"));
    const few = state.all ? list : list.slice(0, FIRST_ROWS);
    rows.replaceChildren(...few.map((row) => make("tr", {}, row.map((value, k) => make("td", { class: numeric[k] ? "number" : value !== null && String(value).length <= 32 ? "short" : "" }, cell(rowKey(item, row, k), value))))));
    if (!few.length) rows.replaceChildren(make("tr", {}, make("td", { colspan: item.columns.length }, t("no_rows"))));
    more.hidden = few.length === list.length;
    more.textContent = t("more", { n: number(list.length) });
  };
  draw();
  const search = item.rows.length > 12 ? make("input", { type: "search", placeholder: t("filter"), "aria-label": t("filter"), oninput: (e) => { state.text = e.target.value; draw(); } }) : null;
  const defined = item.columns.filter((column) => column[1]);
  body.replaceChildren(...[item.note ? make("p", { class: "note" }, rich(item.note)) : null,
    make("div", { class: "table-tools" }, make("button", { type: "button", class: "csv", "aria-label": t("csv_long", { table: item.title }), onclick: () => download(item) }, t("csv")), search),
    make("div", { class: "table-scroll", tabindex: "0" }, make("table", { class: "data" }, make("thead", {}, make("tr", {}, head)), rows)), more,
    defined.length ? make("details", { class: "defs" }, make("summary", {}, t("definitions")), make("dl", {}, defined.map(([key, definition]) => [make("dt", {}, columnName(item.name, key)), make("dd", {}, rich(definition))]))) : null].filter(Boolean));
}

// In the table of headline figures the unit of a row stands in its own cell.
function rowKey(item, row, k) { return item.name === "comparison" && k > 1 && row[1] === "%" ? "percent" : item.columns[k][0]; }

function download(item) {
  const quote = (value) => (value === null ? "" : /[",\r\n]/.test(String(value)) ? `"${String(value).replace(/"/g, '""')}"` : String(value));
  const lines = [item.columns.map((column) => quote(column[0])), ...item.rows.map((row) => row.map(quote))].map((row) => row.join(","));
  const url = URL.createObjectURL(new Blob(["\ufeff" + lines.join("\r\n") + "\r\n"], { type: "text/csv;charset=utf-8" }));
  const link = make("a", { href: url, download: item.name + ".csv" });
  document.body.append(link); link.click(); link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function provenance() {
  const known = DATA.tables.find((item) => item.name === "caveats"), sentences = new Map(), items = new Set();
  for (const row of known ? known.rows : []) {
    const [scenario, item, text] = row, key = item + "\u0000" + text;
    items.add(item);
    if (!sentences.has(key)) sentences.set(key, { item, text, whose: [] });
    sentences.get(key).whose.push(scenario);
  }
  const caveat = make("dl", { class: "caveat", id: "caveats" });
  const order = [...items], ordered = [...sentences.values()].sort((a, b) => order.indexOf(a.item) - order.indexOf(b.item));
  let last = null;
  for (const { item, text, whose } of ordered) {
    if (item !== last) caveat.append(make("dt", {}, capital(page.language === "zh" ? word(item) : item)));
    last = item;
    const titles = whose.map((name) => scenarioTitle(DATA.scenarios.find((one) => one.name === name) || { name }));
    caveat.append(make("dd", {}, rich(text), whose.length < DATA.scenarios.length ? make("span", { class: "whose" }, " — " + titles.join(", ")) : null));
  }
  if (!sentences.size) caveat.append(make("dt", {}, t("caveat_effect")));
  const lost = DATA.scenarios.filter((item) => item.tables_lost).map(scenarioTitle);
  const masked = DATA.scenarios.filter((item) => item.masked).map(scenarioTitle);
  if (masked.length) caveat.append(make("dd", {}, t("masked", { names: listed(masked) })));
  if (lost.length) caveat.append(make("dd", {}, t("tables_lost", { names: listed(lost) })));
  fill("provenance-area", make("h3", {}, t("caveats")), caveat, make("h3", {}, t("how_made")), DATA.scenarios.map(madeOf));
}

function madeOf(scenario) {
  const rows = [], add = (key, ...value) => rows.push(make("dt", {}, t(key)), make("dd", {}, ...value));
  const code = (text) => make("code", {}, text);
  add("prov_status", DATA.texts["status_" + scenario.status] ? t("status_" + scenario.status) : scenario.status, ". ", proof(scenario));
  add("prov_objective", number(scenario.objective, 2) + " (" + scenario.objective_kind + ")");
  add("prov_bound", scenario.bound === null ? t("value_none") : number(scenario.bound, 2));
  add("prov_gap", gapText(scenario.gap));
  add("prov_certificate", scenario.certificate && scenario.certified_bound !== null && scenario.certified_bound !== undefined
    ? rich(t("certificate_yes", { bound: number(scenario.certified_bound, 2), folder: scenario.folder })) : rich(t("certificate_no", { folder: scenario.folder })));
  add("prov_solver", String(scenario.solver));
  add("prov_seed", String(scenario.seed));
  add("prov_seconds", Object.entries(scenario.seconds || {}).map(([phase, value]) => `${phase} ${number(value, 1)}`).join(", "));
  add("prov_versions", Object.entries(scenario.versions || {}).map(([name, value]) => `${name} ${value}`).join(", "));
  const { key, ...files } = scenario.inputs || {};
  add("prov_key", code(key || ""));
  if (scenario.digests && scenario.digests.selection) add("prov_selection", code(scenario.digests.selection));
  add("prov_inputs", Object.keys(files).length ? Object.entries(files).map(([name, digest]) => make("div", {}, name + " ", code(digest))) : t("prov_no_inputs"));
  return make("div", { class: "made" }, make("h3", {}, scenarioTitle(scenario)), make("dl", {}, rows),
    scenario.toml ? make("details", {}, make("summary", {}, t("scenario_file")), make("pre", {}, scenario.toml)) : null,
    scenario.log ? make("details", {}, make("summary", {}, t("log")), make("pre", {}, scenario.log)) : null);
}

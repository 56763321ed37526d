// Charts: they show what tables and summaries say, and add nothing.
"use strict";
const INK = "#1f2529", SOFT = "#5b6670", LINE = "#dfe3e6", LIMIT = 0.3;
const SYMBOLS = ["circle", "rect", "triangle", "diamond", "pin", "arrow"];
const plots = [], choices = {};

function plot(node, height, option) {
  node.style.height = height + "px";
  const chart = echarts.init(node, null, { devicePixelRatio: Math.max(2, window.devicePixelRatio || 1) });
  chart.setOption({ animation: false, textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: INK }, ...option });
  plots.push(chart);
}

function box(title, note, ...children) { return make("div", { class: "chart" }, make("h3", {}, title), make("p", { class: "note" }, note), ...children); }

function key(scenarios) {
  return make("div", { class: "legend", style: { margin: "0 0 4px" } }, (scenarios || DATA.scenarios).map((item) => make("span", { class: "key" }, make("span", { class: "dot", style: { background: item.colour } }), scenarioTitle(item))));
}

// A tooltip as an element of text nodes: names are never markup.
function tip(title, lines) { return make("div", { style: { fontSize: "13px", maxWidth: "320px", whiteSpace: "normal" } }, make("strong", {}, title), lines.map((line) => make("div", {}, line))); }

function choose(name, label, options, redraw) {
  if (!(name in choices) || !options.some(([value]) => value === choices[name])) choices[name] = options[0][0];
  return make("label", {}, label + " ", make("select", { id: "choose-" + name, onchange: (e) => { choices[name] = e.target.value; redraw(); } }, options.map(([value, text]) => make("option", { value, selected: value === choices[name] }, text))));
}

const value100 = (v) => (v === null || v === undefined ? null : 100 * v);
const axisPercent = () => ({ type: "value", min: 0, max: 100, splitNumber: 5, axisLabel: { formatter: (v) => v + " %", color: SOFT, hideOverlap: true }, splitLine: { lineStyle: { color: LINE } } });
const axisNames = (names, more) => ({ type: "category", data: names, axisLabel: { color: INK, ...(more || {}) }, axisTick: { show: false }, axisLine: { lineStyle: { color: "#aab2b8" } } });
const limit = (axis) => ({ silent: true, symbol: "none", lineStyle: { color: INK, type: "dashed", width: 1.2 }, label: { formatter: t("line30"), color: INK, position: axis === "xAxis" ? "start" : "end" }, data: [{ [axis]: 100 * LIMIT }] });

function chartRealm() {
  const realms = [...new Set(DATA.scenarios.flatMap((item) => Object.keys(item.shares.realm || item.shares.all || {})))];
  const level = DATA.scenarios[0].shares.realm ? "realm" : "all";
  if (!realms.length) return null;
  const node = make("div", { class: "plot", id: "plot-realm" });
  return [box(t("chart_realm"), t("chart_realm_note"), key(), node), () => plot(node, 400, {
    grid: { left: 8, right: 44, top: 16, bottom: 8, containLabel: true },
    tooltip: { trigger: "item", formatter: (p) => tip(p.seriesName, [`${p.name}: ${percent(p.value === undefined || p.value === null ? null : p.value / 100)}`]) },
    xAxis: axisNames(realms.map((name) => (name ? word(name) : t("all"))), { interval: 0, fontSize: 11.5 }), yAxis: axisPercent(),
    series: DATA.scenarios.map((item, k) => ({ type: "bar", name: scenarioTitle(item), barMaxWidth: 34, barGap: "12%", itemStyle: { color: item.colour },
      label: { show: DATA.scenarios.length < 5, position: "top", fontSize: 11, color: SOFT, formatter: (p) => (p.value === null ? "" : number(p.value, 0)) },
      data: realms.map((name) => value100((item.shares[level] || {})[name])), markLine: k ? undefined : limit("yAxis") })),
  })];
}

function chartRegion(redraw) {
  const levels = [...new Set(DATA.scenarios.flatMap((item) => Object.keys(item.shares)))].filter((level) => level !== "all" && level !== "realm");
  if (!levels.length) return null;
  const select = choose("level", t("chart_level"), levels.map((level) => [level, pretty(level)]), redraw), level = choices.level;
  const names = [...new Set(DATA.scenarios.flatMap((item) => Object.keys(item.shares[level] || {})))].reverse();
  const node = make("div", { class: "plot", id: "plot-region" });
  return [box(t("chart_region"), t("chart_region_note"), make("div", { class: "choice" }, select), key(), make("div", { class: "scroll", tabindex: "0" }, node)), () => plot(node, 60 + 20 * names.length, {
    grid: { left: 8, right: 30, top: 24, bottom: 26, containLabel: true },
    tooltip: { trigger: "item", formatter: (p) => tip(names[p.value[1]], [`${p.seriesName}: ${percent(p.value[0] / 100)}`]) },
    xAxis: { ...axisPercent(), position: "top" }, yAxis: axisNames(names.map(pretty), { fontSize: 11.5, interval: 0, width: 170, overflow: "truncate" }),
    series: DATA.scenarios.map((item, k) => ({ type: "scatter", name: scenarioTitle(item), symbol: SYMBOLS[k % 6], symbolSize: 9, itemStyle: { color: item.colour, opacity: 0.85 },
      data: names.map((name, row) => [value100((item.shares[level] || {})[name]), row]).filter((point) => point[0] !== null && point[0] !== undefined), markLine: k ? undefined : limit("xAxis") })),
  })];
}

function chartSpecies(redraw) {
  const rows = table("species_by_class");
  if (!rows) return null;
  const known = ["target", "share", "present"].filter((name) => rows.some((row) => row.definition === name));
  const select = choose("definition", t("definition"), known.map((name) => [name, t("definition_" + name)]), redraw);
  const classes = DATA.tables.find((item) => item.name === "species_by_class").columns.map((c) => c[0]).filter((name) => name === "total" || name.startsWith("class_"));
  const grids = DATA.scenarios.map((item) => {
    const own = rows.filter((row) => row.scenario === item.name && row.definition === choices.definition);
    return make("div", {}, make("h4", {}, make("span", { class: "dot", style: { background: item.colour } }), scenarioTitle(item)),
      make("table", { class: "grid-table" },
        make("thead", {}, make("tr", {}, make("th", {}, ""), classes.map((name) => make("th", {}, name === "total" ? t("all") : name.replace(/^class_/, ""))))),
        make("tbody", {}, own.map((row) => make("tr", {}, make("th", { scope: "row" }, pretty(row.taxon)), classes.map((name) => shade(row[name])))))));
  });
  const node = box(t("chart_species"), t("chart_species_note"), make("div", { class: "choice" }, select), make("div", { class: "matrices" }, grids));
  node.classList.add("wide-chart");
  return [node, null];
}

// A cell such as "9 (81.82%)" or "57.30%", darker the more it is.
function shade(text) {
  const found = /([\d.]+)\s*%/.exec(text === null ? "" : String(text));
  if (!found) return make("td", {}, "");
  const share = Math.min(1, Number(found[1]) / 100), colour = ["#f1f4f2", "#d5e5dc", "#a9cdbb", "#73b096", "#3d9273", "#1d7a5c"][Math.min(5, Math.floor(share * 5.0001))];
  return make("td", { style: { background: colour, color: share >= 0.8 ? "#fff" : INK } }, String(text).replace(".00%", "%"));
}

function chartTradeoff(redraw) {
  if (DATA.scenarios.length < 2 || new Set(DATA.scenarios.map((item) => item.cost_unit)).size > 1) return null;
  const select = choose("vertical", t("axis_vertical"), [["area", t("axis_area")], ["targets", t("axis_targets")]], redraw), area = choices.vertical === "area";
  const height = (item) => (area ? value100(Object.values(item.shares.all || {})[0]) : item.targets_met);
  const points = DATA.scenarios.map((item) => [item.cost, height(item)]), node = make("div", { class: "plot", id: "plot-tradeoff" });
  const ordered = [...points].sort((a, b) => a[0] - b[0]);
  const frontier = points.length > 3 && ordered.every((point, k) => !k || point[1] >= ordered[k - 1][1]);
  const costs = points.map((point) => point[0]), wide = Math.max(...costs) - Math.min(...costs) || Math.abs(costs[0]) || 1;
  return [box(t("chart_tradeoff"), t("chart_tradeoff_note"), make("div", { class: "choice" }, select), key(), node), () => plot(node, 320, {
    grid: { left: 8, right: 20, top: 20, bottom: 26, containLabel: true },
    tooltip: { trigger: "item", formatter: (p) => tip(p.seriesName, [`${t("measure_cost")}: ${number(p.value[0])} ${costUnit(DATA.scenarios[0])}`, area ? `${t("axis_area")}: ${percent(p.value[1] / 100)}` : `${t("axis_targets")}: ${number(p.value[1])}`]) },
    xAxis: { type: "value", scale: true, min: Math.max(0, Math.floor((Math.min(...costs) - 0.2 * wide) / 10 ** Math.floor(Math.log10(wide))) * 10 ** Math.floor(Math.log10(wide))), name: t("measure_cost") + (costUnit(DATA.scenarios[0]) ? ` (${costUnit(DATA.scenarios[0])})` : ""), nameLocation: "middle", nameGap: 28, nameTextStyle: { color: SOFT }, axisLabel: { color: SOFT, hideOverlap: true, formatter: (v) => number(v) }, splitLine: { lineStyle: { color: LINE } } },
    yAxis: { type: "value", scale: true, minInterval: area ? 0 : 1, axisLabel: { color: SOFT, formatter: (v) => (area ? v + " %" : number(v)) }, splitLine: { lineStyle: { color: LINE } } },
    series: [...(frontier ? [{ type: "line", data: ordered, symbol: "none", lineStyle: { color: "#aab2b8", width: 1.5 }, silent: true }] : []),
      ...DATA.scenarios.map((item, k) => ({ type: "scatter", name: scenarioTitle(item), symbol: SYMBOLS[k % 6], symbolSize: 15, itemStyle: { color: item.colour }, data: [points[k]] }))],
  })];
}

function chartServices() {
  const rows = table("services");
  if (!rows) return null;
  const list = grouped([...new Set(rows.map((row) => row.name))], (name, item) => {
    const row = rows.find((one) => one.name === name && one.scenario === item.name);
    return row && row.share !== null ? { bar: value100(row.share), mark: value100(row.area_share) } : null;
  });
  const node = make("div", { class: "plot", id: "plot-services" });
  return [box(t("chart_service"), t("chart_service_note"), key(), node), () => barsWithMarks(node, list, axisPercent(), pretty, (v) => percent(v / 100), t("area_share"))];
}

// Rows of a chart from the top: for each name one a scenario, and a gap between names.
function grouped(names, find) {
  const list = [];
  for (const name of names) {
    const own = DATA.scenarios.map((item) => ({ name, item, ...find(name, item) })).filter((one) => one.bar !== undefined && one.bar !== null);
    own.forEach((one, k) => { one.label = k === Math.floor((own.length - 1) / 2) ? name : ""; });
    if (own.length && list.length) list.push({ label: "" });
    list.push(...own);
  }
  return list.reverse();
}

function barsWithMarks(node, list, axis, name, show, markName) {
  plot(node, 40 + list.length * (DATA.scenarios.length > 1 ? 17 : 26), {
    grid: { left: 8, right: 20, top: 24, bottom: 8, containLabel: true },
    tooltip: { trigger: "axis", axisPointer: { type: "shadow" }, formatter: (all) => { const one = list[all[0].dataIndex]; return one.item ? tip(name(one.name), [`${scenarioTitle(one.item)}: ${show(one.bar)}`, `${markName}: ${show(one.mark)}`]) : ""; } },
    xAxis: { ...axis, position: "top" },
    yAxis: axisNames(list.map((one) => name(one.label)), { interval: 0, width: 150, overflow: "truncate" }),
    series: [{ type: "bar", barWidth: "80%", data: list.map((one) => (one.item ? { value: one.bar, itemStyle: { color: one.item.colour } } : null)) },
      { type: "scatter", symbol: "rect", symbolSize: [3, 17], itemStyle: { color: INK, borderColor: "#fff", borderWidth: 0.8 }, data: list.map((one, k) => [one.mark, k]).filter((point) => point[0] !== undefined && point[0] !== null), z: 5 }],
  });
}

function chartFrequency() {
  if (!DATA.frequency.length) return null;
  const node = make("div", { class: "plot", id: "plot-frequency" }), colours = ramp(RAMPS.frequency, DATA.frequency.length);
  return [box(t("chart_frequency"), t("chart_frequency_note"), node), () => plot(node, 60 + 42 * DATA.frequency.length, {
    grid: { left: 8, right: 90, top: 8, bottom: 8, containLabel: true },
    tooltip: { trigger: "item", formatter: (p) => tip(p.name, [number(p.value) + " km²"]) },
    xAxis: { type: "value", axisLabel: { color: SOFT, hideOverlap: true, formatter: (v) => number(v) }, splitLine: { lineStyle: { color: LINE } } },
    yAxis: axisNames(DATA.frequency.map((item) => t("times", { n: item.scenarios, all: DATA.frequency.length }))),
    series: [{ type: "bar", barMaxWidth: 24, label: { show: true, position: "right", color: INK, formatter: (p) => number(p.value) + " km²" }, data: DATA.frequency.map((item, k) => ({ value: item.area_km2, itemStyle: { color: colours[k] } })) }],
  })];
}

function chartRedline(redraw) {
  const rows = table("ledger");
  if (!rows) return null;
  const inside = rows.filter((row) => row.tenure !== "all" && row.zone !== "all" && row.zone !== "outside the plan");
  const realms = [...new Set(inside.map((row) => row.realm))];
  if (!realms.length) return null;
  if (!("realm" in choices) && realms.includes("land")) choices.realm = "land";
  const select = choose("realm", t("realm"), realms.map((realm) => [realm, word(realm)]), redraw);
  const own = inside.filter((row) => row.realm === choices.realm), tenures = [...new Set(own.map((row) => row.tenure))];
  const bars = [];
  for (const item of DATA.scenarios) for (const zone of new Set(own.filter((row) => row.scenario === item.name).map((row) => row.zone))) bars.push({ item, zone });
  bars.reverse();
  const label = (bar) => (DATA.scenarios.length > 1 ? scenarioTitle(bar.item) + " · " : "") + pretty(bar.zone), node = make("div", { class: "plot", id: "plot-redline" });
  const narrow = window.innerWidth < 640;
  const colour = (name, k) => (name === "neither" ? "#cfd4d8" : DATA.colours.tenure[name] || PALE[k % PALE.length]);
  return [box(t("chart_redline"), t("chart_redline_note"), make("div", { class: "choice" }, select), make("div", { class: "legend", style: { margin: "0 0 4px" } }, tenures.map((name, k) => swatch(colour(name, k), pretty(name)))), node), () => plot(node, 50 + (narrow ? 52 : 34) * bars.length, {
    grid: { left: 8, right: 24, top: 8, bottom: 8, containLabel: true },
    tooltip: { trigger: "item", formatter: (p) => tip(label(bars[p.dataIndex]), [`${p.seriesName}: ${number(p.value)} km²`]) },
    xAxis: { type: "value", axisLabel: { color: SOFT, hideOverlap: true, formatter: (v) => number(v) }, splitLine: { lineStyle: { color: LINE } } },
    yAxis: axisNames(bars.map(label), { interval: 0, width: narrow ? 110 : 220, overflow: "break", fontSize: 11.5 }),
    series: tenures.map((name, k) => ({ type: "bar", stack: "all", barMaxWidth: 20, name: pretty(name), itemStyle: { color: colour(name, k) },
      data: bars.map((bar) => { const row = own.find((one) => one.scenario === bar.item.name && one.zone === bar.zone && one.tenure === name); return row ? row.area_km2 : 0; }) })),
  })];
}

// Bars a realm and scenario, and the mean of random selections of the same area as a mark.
function chartConnectivity(redraw) {
  const rows = table("connectivity");
  if (!rows || !("case" in rows[0])) return null;
  const metrics = ["protconn", "mesh_km2", "relconn", "connectedness"].filter((name) => rows.some((row) => Number.isFinite(row[name]) && row.case === "plan"));
  if (!metrics.length) return null;
  const select = choose("metric", t("metric"), metrics.map((name) => [name, t("metric_" + name)]), redraw), metric = choices.metric, share = metric !== "mesh_km2";
  const list = grouped([...new Set(rows.map((row) => row.realm))], (realm, item) => {
    const of = (name) => { const row = rows.find((one) => one.realm === realm && one.scenario === item.name && one.case === name); return row ? row[metric] : null; };
    return { bar: of("plan"), mark: of("random") };
  });
  const node = make("div", { class: "plot", id: "plot-connectivity" }), show = (v) => (share ? percent(v) : number(v) + " km²");
  const axis = { type: "value", axisLabel: { color: SOFT, hideOverlap: true, formatter: (v) => (share ? number(100 * v, 0) + " %" : number(v)) }, splitLine: { lineStyle: { color: LINE } } };
  return [box(t("chart_connectivity"), t("chart_connectivity_note"), make("div", { class: "choice" }, select), key(), node), () => barsWithMarks(node, list, axis, word, show, t("same_area"))];
}

// The line by the criteria that its land meets.
function chartLine() {
  const rows = table("redline_composition");
  if (!rows || !("category" in rows[0])) return null;
  const parts = rows.filter((row) => row.category !== "all"), categories = [...new Map(parts.map((row) => [row.category, row.label]))], bars = [];
  for (const item of DATA.scenarios) for (const line of new Set(parts.filter((row) => row.scenario === item.name).map((row) => row.line))) bars.push({ item, line });
  bars.reverse();
  const colours = ["#117733", "#88CCEE", "#DDCC77", "#cfd4d8", "#CC6677", "#882255"], node = make("div", { class: "plot", id: "plot-line" }), narrow = window.innerWidth < 640;
  const label = (bar) => (new Set(bars.map((one) => one.item)).size > 1 ? scenarioTitle(bar.item) + " · " : "") + pretty(bar.line);
  return [box(t("chart_line"), t("chart_line_note"), make("div", { class: "legend", style: { margin: "0 0 4px" } }, categories.map(([name, text], k) => swatch(colours[k % 6], capital(text)))), node), () => plot(node, 50 + (narrow ? 52 : 34) * bars.length, {
    grid: { left: 8, right: 24, top: 8, bottom: 8, containLabel: true },
    tooltip: { trigger: "item", formatter: (p) => tip(label(bars[p.dataIndex]), [`${p.seriesName}: ${number(p.value)} km²`]) },
    xAxis: { type: "value", axisLabel: { color: SOFT, hideOverlap: true, formatter: (v) => number(v) }, splitLine: { lineStyle: { color: LINE } } },
    yAxis: axisNames(bars.map(label), { interval: 0, width: narrow ? 110 : 200, overflow: "break", fontSize: 11.5 }),
    series: categories.map(([name, text], k) => ({ type: "bar", stack: "all", barMaxWidth: 20, name: capital(text), itemStyle: { color: colours[k % 6] },
      data: bars.map((bar) => { const row = parts.find((one) => one.scenario === bar.item.name && one.line === bar.line && one.category === name); return row ? row.area_km2 : 0; }) })),
  })];
}

function chartProgress() {
  const known = DATA.scenarios.filter((item) => item.progress.length);
  if (!known.length) return null;
  const node = make("div", { class: "plot", id: "plot-progress" });
  const line = (item, column, type, name) => ({ type: "line", name: `${scenarioTitle(item)}: ${name}`, step: "end", showSymbol: true, symbolSize: 5, lineStyle: { color: item.colour, type, width: 1.8 }, itemStyle: { color: item.colour }, data: item.progress.filter((row) => row[column] !== null).map((row) => [row[0], row[column]]) });
  return [box(t("chart_progress"), t("chart_progress_note"), key(known), node), () => plot(node, 300, {
    grid: { left: 8, right: 24, top: 16, bottom: 26, containLabel: true },
    tooltip: { trigger: "item", formatter: (p) => tip(p.seriesName, [`${number(p.value[0], 1)} ${t("seconds")}: ${number(p.value[1], 2)} %`]) },
    xAxis: { type: "value", name: t("seconds"), nameLocation: "middle", nameGap: 26, nameTextStyle: { color: SOFT }, axisLabel: { color: SOFT }, splitLine: { show: false }, axisLine: { onZero: false, lineStyle: { color: "#aab2b8" } } },
    yAxis: { type: "value", scale: true, max: (range) => (range.max <= 0 ? 0.2 * Math.abs(range.min) : null), axisLabel: { color: SOFT, formatter: (v) => number(v, 2) + " %" }, splitLine: { lineStyle: { color: LINE } } },
    series: known.flatMap((item) => [line(item, 1, "solid", t("incumbent")), line(item, 2, "dashed", t("bound"))]),
  })];
}

function charts() {
  plots.splice(0).forEach((chart) => chart.dispose());
  const made = [chartRealm, chartRegion, chartTradeoff, chartServices, chartSpecies, chartConnectivity, chartFrequency, chartRedline, chartLine, chartProgress].map((build) => build(charts)).filter(Boolean);
  fill("chart-area", made.map((item) => item[0]));
  made.forEach((item) => item[1] && item[1]());
}

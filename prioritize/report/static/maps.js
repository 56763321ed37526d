// Painting of units, and the map: layers, swipe, reading of units.
"use strict";
const RAMPS = {
  cost: ["#fee391", "#fec44f", "#fe9929", "#d95f0e", "#993404", "#662506"],
  other: ["#c7e9b4", "#7fcdbb", "#41b6c4", "#1d91c0", "#225ea8", "#0c2c84"],
  frequency: ["#bcbddc", "#9e9ac8", "#807dba", "#6a51a3", "#54278f", "#3f007d"],
};
const PALE = ["#b3cde3", "#fbb4ae", "#ccebc5", "#decbe4", "#fed9a6", "#ffffcc", "#e5d8bd", "#fddaec", "#c9d6d0", "#f2f2f2"];
const PAINTED = 2000; // pixels across, of polygons

function findLayer(frame, key, name) {
  return frame.layers.find((layer) => layer.key === key && (!layer.scenarios || layer.scenarios.includes(name)));
}

// n of m steps of a ramp, the ends kept
function ramp(colours, count) {
  return Array.from({ length: count }, (_, k) => colours[count === 1 ? colours.length - 2 : Math.round((k * (colours.length - 1)) / (count - 1))]);
}

function classColours(layer) { return ramp(RAMPS[layer.group === "cost" ? "cost" : "other"], layer.breaks.length + 1); }

function categoryColours(layer, scenario) {
  if (layer.key === "selection") return scenario.zones.map((zone) => zone.colour);
  if (layer.key === "frequency") return ramp(RAMPS.frequency, layer.names.length);
  if (layer.group === "place") return layer.names.map((name, k) => PALE[k % PALE.length]);
  return layer.names.map((name, k) => DATA.colours.tenure[name] || PALE[k % PALE.length]);
}

// code -> colour, null where the ground shows
function codeColours(layer, scenario, top) {
  const colours = new Array(top + 1).fill(null);
  if (layer.names) categoryColours(layer, scenario).forEach((colour, k) => { colours[k + 1] = colour; });
  else {
    const classes = classColours(layer), wide = layer.high - layer.low || 1;
    const limits = layer.breaks.map((value) => 1 + ((value - layer.low) / wide) * (top - 1));
    for (let code = 1, k = 0; code <= top; code++) {
      while (k < limits.length && code > limits[k]) k++;
      colours[code] = classes[k];
    }
  }
  return colours;
}

function unitColours(frame, layer, scenario) {
  const codes = unpack(layer.data), base = unpack(frame.base);
  const top = codes.BYTES_PER_ELEMENT === 2 ? 65535 : 255, colours = codeColours(layer, scenario, top);
  const locked = layer.key === "selection" && findLayer(frame, "locked_in", scenario.name);
  const before = locked ? unpack(locked.data) : null;
  const grounds = [DATA.colours.outside, DATA.colours.land, DATA.colours.sea];
  return Array.from(codes, (code, k) => (before && before[k] ? scenario.zones[before[k] - 1].dark : colours[code] || grounds[base[k]]));
}

function rgba(colour) { return (255 << 24) | (parseInt(colour.slice(5, 7), 16) << 16) | (parseInt(colour.slice(3, 5), 16) << 8) | parseInt(colour.slice(1, 3), 16); }

function paths(frame) {
  if (frame.paths) return frame.paths;
  const points = unpack(frame.points), starts = unpack(frame.ring_start), owner = unpack(frame.ring_unit), half = points.length / 2;
  const tall = Math.round((PAINTED * frame.height) / frame.width);
  frame.paths = Array.from({ length: frame.count }, () => new Path2D());
  for (let ring = 0; ring < owner.length; ring++) {
    const path = frame.paths[owner[ring]];
    for (let k = starts[ring]; k < starts[ring + 1]; k++)
      path[k === starts[ring] ? "moveTo" : "lineTo"]((points[k] / 65535) * PAINTED, (points[half + k] / 65535) * tall);
    path.closePath();
  }
  return frame.paths;
}

function paint(frame, layer, scenario) {
  const colours = unitColours(frame, layer, scenario), canvas = document.createElement("canvas");
  if (frame.kind === "grid") {
    canvas.width = frame.columns; canvas.height = frame.rows;
    const context = canvas.getContext("2d"), image = context.createImageData(frame.columns, frame.rows);
    const pixels = new Uint32Array(image.data.buffer), cell = unpack(frame.cell), known = {};
    for (let k = 0; k < colours.length; k++) pixels[cell[k]] = known[colours[k]] || (known[colours[k]] = rgba(colours[k]));
    context.putImageData(image, 0, 0);
  } else {
    canvas.width = PAINTED; canvas.height = Math.round((PAINTED * frame.height) / frame.width);
    const context = canvas.getContext("2d");
    paths(frame).forEach((path, k) => {
      context.fillStyle = context.strokeStyle = colours[k];
      context.fill(path, "evenodd"); context.lineWidth = 1; context.stroke(path); // the rim covers hairlines between neighbours
    });
  }
  return canvas;
}

function lineList(frame, line) {
  if (line.list) return line.list;
  const points = unpack(line.points), starts = unpack(line.start), half = points.length / 2;
  line.list = [];
  for (let k = 0; k + 1 < starts.length; k++) {
    const one = [];
    for (let p = starts[k]; p < starts[k + 1]; p++) one.push([(-points[half + p] / 65535) * frame.height, (points[p] / 65535) * frame.width]);
    line.list.push(one);
  }
  return line.list;
}

// The part of a frame that has units: [left, top, right, bottom] in units of the frame.
function extent(frame) {
  if (frame.extent) return frame.extent;
  if (frame.kind !== "grid") return (frame.extent = [0, 0, frame.width, frame.height]);
  const cell = unpack(frame.cell), tall = frame.height / frame.rows;
  let left = frame.columns, right = 0;
  for (const one of cell) { const c = one % frame.columns; if (c < left) left = c; if (c > right) right = c; }
  const top = Math.floor(cell[0] / frame.columns), bottom = Math.floor(cell[cell.length - 1] / frame.columns);
  return (frame.extent = [left, top * tall, right + 1, (bottom + 1) * tall]);
}

function drawMini(canvas, scenario) {
  if (scenario.frame === null) return false;
  const frame = DATA.frames[scenario.frame];
  drawStill(canvas, frame, findLayer(frame, "selection", scenario.name), scenario);
  return true;
}

// A map that does not move: for the first screen, and for paper (Chromium leaves out a map that is resized for printing).
function drawStill(canvas, frame, layer, scenario) {
  const [left, top, right, bottom] = extent(frame), scale = 800 / (right - left);
  canvas.width = 800; canvas.height = Math.round((bottom - top) * scale);
  const context = canvas.getContext("2d"), source = paint(frame, layer, scenario);
  context.imageSmoothingEnabled = source.width > 800;
  context.imageSmoothingQuality = "high";
  context.drawImage(source, -left * scale, -top * scale, frame.width * scale, frame.height * scale);
  for (const line of [...frame.lines].reverse()) {
    context.beginPath();
    for (const one of lineList(frame, line)) one.forEach(([y, x], k) => context[k ? "lineTo" : "moveTo"]((x - left) * scale, (-y - top) * scale));
    context.strokeStyle = line.level === "realm" ? "#55524a" : "rgba(90,86,76,.5)";
    context.lineWidth = line.level === "realm" ? 1.4 : 1;
    context.stroke();
  }
}

const view = { left: { layer: "selection", scenario: 0 }, right: { layer: "selection", scenario: 0 }, swipe: false, at: 0.5, lines: new Set(), frame: null };

// An image overlay whose image is a canvas: nothing to encode, and, unlike an image, it is printed at once when resized.
const PaintOverlay = L.ImageOverlay.extend({ _initImage() { this._image = this._url; this._image.classList.add("leaflet-image-layer"); } });

function layerName(layer) {
  if (["selection", "frequency", "redline", "patch", "today", "cost"].includes(layer.key)) return t("layer_" + layer.key);
  return pretty(layer.label);
}

function groupName(group) { return DATA.texts["group_" + group] ? t("group_" + group) : pretty(group); }

function shown(side) {
  const chosen = view[side], scenario = DATA.scenarios[chosen.scenario], frame = DATA.frames[scenario.frame];
  const layer = findLayer(frame, chosen.layer, scenario.name) || findLayer(frame, "selection", scenario.name);
  return { scenario, frame, layer };
}

function startMaps() {
  const mapped = DATA.scenarios.map((item, k) => k).filter((k) => DATA.scenarios[k].frame !== null);
  if (!mapped.length) { page.redraws.push(() => fill("map-area", make("p", { class: "note" }, t("map_none")))); return; }
  view.left.scenario = view.right.scenario = mapped[0];
  const same = mapped.filter((k) => DATA.scenarios[k].frame === DATA.scenarios[mapped[0]].frame);
  if (same.length > 1) { view.right.scenario = same[same.length - 1]; view.swipe = true; }
  fill("map-area", make("div", { class: "map-side", id: "map-side" }),
    make("div", { class: "map-box" },
      make("div", { style: { position: "relative" } }, make("div", { id: "map", role: "region" }),
        make("div", { class: "side-name left", id: "name-left" }), make("div", { class: "side-name right", id: "name-right" }), make("div", { class: "north", id: "north" }),
        make("div", { class: "readout", id: "readout" }),
        make("div", { class: "swipe", id: "swipe", role: "slider", tabindex: "0", "aria-valuemin": "0", "aria-valuemax": "100" })),
      make("div", { class: "print-maps", id: "print-maps" }),
      make("p", { class: "map-foot", id: "map-foot" })));
  const crs = L.extend({}, L.CRS.Simple, { distance: (a, b) => (view.frame.metres || 1) * Math.hypot(a.lng - b.lng, a.lat - b.lat) });
  view.map = L.map("map", { crs, zoomAnimation: false, fadeAnimation: false, markerZoomAnimation: false, inertia: false, zoomSnap: 0.25, zoomDelta: 0.5, minZoom: -8, maxZoom: 12, attributionControl: false });
  for (const [name, order] of [["left", 201], ["right", 202], ["lines", 203]]) view.map.createPane(name).style.zIndex = order;
  view.map.getPane("lines").style.pointerEvents = "none";
  view.map.on("move zoom resize viewreset", clip);
  view.map.on("mousemove click", (event) => read(event.latlng));
  view.map.on("mouseout", () => read(null));
  startSwipe();
  page.redraws.push(() => { controls(); redraw(); });
}

function startSwipe() {
  const handle = document.getElementById("swipe"), move = (at) => { view.at = Math.min(1, Math.max(0, at)); clip(); };
  const track = (event) => { const box = document.getElementById("map").getBoundingClientRect(); move((event.clientX - box.left) / box.width); };
  handle.addEventListener("pointerdown", (event) => { handle.setPointerCapture(event.pointerId); event.preventDefault(); handle.focus(); });
  handle.addEventListener("pointermove", (event) => { if (handle.hasPointerCapture(event.pointerId)) track(event); });
  handle.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.05, ArrowRight: 0.05, Home: -1, End: 1 }[event.key];
    if (step) { move(view.at + step); event.preventDefault(); }
  });
}

// Each pane shows its side of the handle only.
function clip() {
  const map = view.map, size = map.getSize(), corner = map.containerPointToLayerPoint([0, 0]), end = map.containerPointToLayerPoint(size);
  const at = corner.x + size.x * view.at, handle = document.getElementById("swipe");
  const box = (left, right) => `polygon(${left}px ${corner.y}px, ${right}px ${corner.y}px, ${right}px ${end.y}px, ${left}px ${end.y}px)`;
  map.getPane("left").style.clipPath = view.swipe ? box(corner.x, at) : "";
  map.getPane("right").style.clipPath = view.swipe ? box(at, end.x) : "";
  handle.hidden = !view.swipe; handle.style.left = 100 * view.at + "%";
  handle.style.display = view.swipe ? "" : "none";
  handle.setAttribute("aria-valuenow", Math.round(100 * view.at));
  handle.setAttribute("aria-label", t("map_handle"));
}

function controls() {
  const { frame } = shown("left");
  const mapped = DATA.scenarios.map((item, k) => k).filter((k) => DATA.scenarios[k].frame !== null);
  const partners = mapped.filter((k) => DATA.scenarios[k].frame === DATA.scenarios[view.left.scenario].frame);
  const side = (name) => {
    const chosen = view[name], layers = DATA.frames[DATA.scenarios[chosen.scenario].frame].layers, groups = new Map();
    for (const layer of layers) {
      if (layer.key === "locked_in" || (layer.scenarios && !layer.scenarios.includes(DATA.scenarios[chosen.scenario].name))) continue;
      if (!groups.has(layer.group)) groups.set(layer.group, []);
      groups.get(layer.group).push(make("option", { value: layer.key, selected: layer.key === chosen.layer }, layerName(layer)));
    }
    const known = [...groups.values()].flat().some((option) => option.value === chosen.layer);
    if (!known) chosen.layer = "selection";
    const select = make("select", { id: "layer-" + name, onchange: (e) => { chosen.layer = e.target.value; redraw(); } }, [...groups].map(([group, options]) => make("optgroup", { label: groupName(group) }, options)));
    const scenarios = make("select", { id: "scenario-" + name, onchange: (e) => {
      chosen.scenario = Number(e.target.value);
      const frames = [view.left, view.right].map((item) => DATA.scenarios[item.scenario].frame);
      if (frames[0] !== frames[1]) { view[name === "left" ? "right" : "left"].scenario = chosen.scenario; }
      controls(); redraw();
    } }, mapped.map((k) => make("option", { value: k, selected: k === chosen.scenario }, scenarioTitle(DATA.scenarios[k]))));
    return make("fieldset", {}, make("legend", {}, t(view.swipe ? (name === "left" ? "map_left_of" : "map_right_of") : "map_left")),
      make("label", {}, t("map_layer"), select), mapped.length > 1 ? make("label", { id: "whose-" + name }, t("map_scenario"), scenarios) : null,
      make("div", { class: "legend", id: "legend-" + name }));
  };
  fill("map-side", side("left"), view.swipe ? side("right") : null,
    make("fieldset", {},
      partners.length > 1 || frame.layers.length > 1 ? make("label", { class: "check" }, make("input", { type: "checkbox", id: "swipe-on", checked: view.swipe, onchange: (e) => { view.swipe = e.target.checked; controls(); redraw(); } }), t("map_swipe")) : null,
      frame.lines.map((line) => make("label", { class: "check" }, make("input", { type: "checkbox", checked: !view.lines.has(line.level), onchange: (e) => { view.lines[e.target.checked ? "delete" : "add"](line.level); redraw(); } }), t("map_lines") + ": " + pretty(line.level))),
      make("button", { type: "button", onclick: () => whole(frame) }, t("map_reset"))));
  read(null);
}

function whole(frame) {
  const [left, top, right, bottom] = extent(frame);
  view.map.fitBounds([[-bottom, left], [-top, right]], { animate: false, padding: [14, 14] });
}

function redraw() {
  const { frame } = shown("left");
  if (view.frame !== frame) { view.frame = frame; whole(frame); furniture(frame); }
  const box = [[-frame.height, 0], [0, frame.width]];
  for (const side of ["left", "right"]) {
    if (view[side].image) view[side].image.remove();
    view[side].image = null;
    fill2("legend-" + side);
    const name = document.getElementById("name-" + side);
    name.style.display = side === "left" || view.swipe ? "" : "none";
    if (side === "right" && !view.swipe) continue;
    const { scenario, layer } = shown(side), canvas = paint(frame, layer, scenario);
    view[side].image = new PaintOverlay(canvas, box, { pane: side, interactive: false }).addTo(view.map);
    fill2("legend-" + side, mapLegend(layer, scenario));
    const whose = document.getElementById("whose-" + side);
    if (whose) whose.style.display = layer.scenarios || DATA.frames.length > 1 ? "" : "none"; // the same for all scenarios
    name.textContent = layer.scenarios ? `${scenarioTitle(scenario)}` : layerName(layer);
  }
  fill("print-maps", (view.swipe ? ["left", "right"] : ["left"]).map((side) => {
    const { scenario, layer } = shown(side), canvas = make("canvas", {});
    drawStill(canvas, frame, layer, scenario);
    return make("figure", {}, make("figcaption", {}, layer.scenarios ? `${scenarioTitle(scenario)}: ${layerName(layer)}` : layerName(layer)), canvas, make("div", { class: "legend" }, mapLegend(layer, scenario)));
  }));
  document.getElementById("map").classList.toggle("smooth", frame.kind !== "grid");
  document.getElementById("map").setAttribute("aria-label", t("maps"));
  if (view.outline) view.outline.remove();
  const renderer = (view.renderer = view.renderer || L.canvas({ pane: "lines", padding: 0.2 }));
  view.outline = L.layerGroup([...frame.lines].reverse().filter((line) => !view.lines.has(line.level)).map((line) =>
    L.polyline(lineList(frame, line), { renderer, interactive: false, smoothFactor: 0.5, color: line.level === "realm" ? "#4a473f" : "#6f6b60", weight: line.level === "realm" ? 1.3 : 0.8, opacity: line.level === "realm" ? 0.95 : 0.75 }))).addTo(view.map);
  document.getElementById("map-foot").textContent = [t("map_crs", { crs: frame.crs }), frame.step > 1 ? t("map_sampled", { step: frame.step }) : "", t("map_steps"), frame.left_out ? t("map_left_out", { n: frame.left_out }) : ""].filter(Boolean).join(" ");
  document.getElementById("north").lastChild && (document.getElementById("north").lastChild.textContent = t("north"));
  clip();
}

function fill2(id, children) { const node = document.getElementById(id); if (node) node.replaceChildren(...(children || [])); }

function furniture(frame) {
  if (view.scale) view.scale.remove();
  view.scale = frame.metres ? L.control.scale({ imperial: false, maxWidth: 140 }).addTo(view.map) : null;
  const arrow = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({ width: 18, height: 22, viewBox: "0 0 18 22" })) arrow.setAttribute(key, value);
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", "M9 1 L15 20 L9 16 L3 20 Z"); shape.setAttribute("fill", "#1f2529");
  arrow.append(shape);
  arrow.style.transform = `rotate(${frame.north || 0}deg)`;
  fill2("north", frame.north === null ? [] : [arrow, make("span", {}, t("north"))]);
}

function mapLegend(layer, scenario) {
  if (layer.key === "selection") return zoneLegend([scenario]);
  if (layer.names) {
    if (layer.group === "place" && layer.names.length > 12) return [];
    const colours = categoryColours(layer, scenario);
    return layer.names.map((name, k) => swatch(colours[k], layer.key === "frequency" ? t("times", { n: name, all: layer.names.length }) : pretty(name)));
  }
  const colours = classColours(layer), unit = layer.unit ? " " + word(layer.unit) : "";
  const label = (k) => {
    if (!layer.breaks.length) return number(layer.high) + unit;
    if (k === 0) return t("range_first", { high: number(layer.breaks[0]) }) + unit;
    if (k === layer.breaks.length) return t("range_last", { low: number(layer.breaks[k - 1]) }) + unit;
    return t("range_middle", { low: number(layer.breaks[k - 1]), high: number(layer.breaks[k]) });
  };
  return [...colours.map((colour, k) => swatch(colour, label(k))), ...(unpack(layer.data).includes(0) ? [swatch(DATA.colours.land, t("absent"))] : [])];
}

// ------------------------------------------------------------------ reading a unit
function unitAt(frame, point) {
  const x = point.lng, y = -point.lat;
  if (x < 0 || y < 0 || x >= frame.width || y >= frame.height) return -1;
  if (frame.kind === "grid") {
    if (!frame.index) { frame.index = new Int32Array(frame.rows * frame.columns).fill(-1); unpack(frame.cell).forEach((cell, k) => { frame.index[cell] = k; }); }
    return frame.index[Math.floor((y / frame.height) * frame.rows) * frame.columns + Math.floor(x)];
  }
  const context = (frame.probe = frame.probe || document.createElement("canvas").getContext("2d")), scale = PAINTED / frame.width;
  return paths(frame).findIndex((path) => context.isPointInPath(path, x * scale, y * scale, "evenodd"));
}

function valueOf(layer, unit) {
  const codes = unpack(layer.data), code = codes[unit];
  if (!code) return t("value_none");
  if (layer.key === "frequency") return t("times", { n: layer.names[code - 1], all: layer.names.length });
  if (layer.names) return pretty(layer.names[code - 1]);
  const top = codes.BYTES_PER_ELEMENT === 2 ? 65535 : 255, value = layer.low + ((code - 1) / (top - 1)) * (layer.high - layer.low);
  return number(Number(value.toPrecision(top > 255 ? 4 : 2))) + (layer.unit ? " " + word(layer.unit) : "");
}

function read(point) {
  const node = document.getElementById("readout"), { frame } = shown("left");
  node.classList.toggle("empty", !point);
  if (!point) { node.replaceChildren(t("map_point")); return; }
  const unit = unitAt(frame, point);
  if (unit < 0) { node.replaceChildren(t("map_outside")); return; }
  const rows = [], add = (label, value) => rows.push(make("dt", {}, label), make("dd", {}, value));
  for (const item of DATA.scenarios) if (DATA.frames[item.frame] === frame) add(scenarioTitle(item), valueOf(findLayer(frame, "selection", item.name), unit));
  for (const layer of frame.layers) if (layer.group === "place" && !layer.scenarios) add(pretty(layer.label), valueOf(layer, unit));
  const cost = frame.layers.find((layer) => layer.key === "cost");
  if (cost) add(layerName(cost), valueOf(cost, unit));
  const listed = new Set(["selection", "cost"]);
  for (const side of view.swipe ? ["left", "right"] : ["left"]) {
    const { layer } = shown(side);
    if (!listed.has(layer.key) && layer.group !== "place") add(layerName(layer), valueOf(layer, unit));
    listed.add(layer.key);
  }
  node.replaceChildren(make("strong", {}, t("map_unit", { id: unpack(frame.ids)[unit] })), make("dl", {}, rows));
}

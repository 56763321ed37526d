// The first screen: a sentence and a map a scenario, one legend, the figures that differ most.
"use strict";

function sentence(scenario) {
  const realms = scenario.shares.realm;
  const shares = realms
    ? listed(Object.entries(realms).map(([name, share]) => t("sentence_share", { share: percent(share), group: word(name) })))
    : t("sentence_area", { share: percent(Object.values(scenario.shares.all || {})[0]) });
  let text = t("sentence_cost", { cost: number(scenario.cost), unit: costUnit(scenario) }).trimEnd() + t("sentence_cover", { shares });
  text += scenario.targets ? t("sentence_targets", { met: number(scenario.targets_met), all: number(scenario.targets) }) : t("sentence_no_targets");
  return text;
}

function proof(scenario) {
  const certified = scenario.certified_gap;
  let text;
  if (scenario.gap === null) text = t("proof_none");
  else if (scenario.bound_by === "tree search") {
    const known = certified !== null && certified !== undefined;
    text = t(known ? "proof_tree" : "proof_tree_only", { certified: known ? percent(certified) : "", gap: gapText(scenario.gap) });
  } else text = scenario.status === "optimal" ? t("proof_optimal") : t("proof_gap", { gap: gapText(scenario.gap) });
  if (scenario.status === "time_limit") text += " " + t("stopped_time");
  if (scenario.status === "interrupted") text += " " + t("stopped_user");
  return text;
}

function overview() {
  const many = DATA.scenarios.length > 1;
  document.getElementById("title").textContent = DATA.title || (many ? t("title_many", { n: DATA.scenarios.length }) : scenarioTitle(DATA.scenarios[0]));
  document.getElementById("subtitle").textContent = [DATA.landscape, ...DATA.notes.map(capital)].filter(Boolean).join(". ");
  document.title = document.getElementById("title").textContent;
  const cards = document.getElementById("cards");
  cards.classList.toggle("few", DATA.scenarios.length < 3);
  fill("cards", DATA.scenarios.map((scenario) => {
    const canvas = make("canvas", { role: "img", "aria-label": scenarioTitle(scenario) + ". " + sentence(scenario) });
    const drawn = drawMini(canvas, scenario);
    return make("article", { class: "card" },
      make("h3", {}, many ? make("span", { class: "dot", style: { background: scenario.colour } }) : null, make("span", {}, scenarioTitle(scenario))),
      make("p", {}, sentence(scenario) + " ", make("span", { class: "proof" }, proof(scenario))),
      drawn ? canvas : make("p", { class: "note" }, t("map_none")));
  }));
  fill("overview-legend", zoneLegend(DATA.scenarios.filter((item) => item.frame !== null)));
  document.getElementById("differ-title").textContent = t(many ? "differ" : "figures");
  document.getElementById("differ-note").hidden = !many;
  fill("figures", DATA.differ.map((item) => {
    const largest = Math.max(...item.values.map(Math.abs));
    return make("div", { class: "figure" },
      make("h3", {}, t("measure_" + item.key, { subject: item.subject ? pretty(item.subject) : t("all_area") }), item.unit && item.unit !== "cost" ? make("span", { class: "unit" }, " (" + word(item.unit) + ")") : null),
      item.values.map((value, index) => make("div", { class: "measure" },
        make("span", { class: "label" }, scenarioTitle(DATA.scenarios[index])),
        make("span", { class: "value" }, item.kind === "share" ? percent(value) : number(value)),
        make("span", { class: "track" }, make("i", { style: { width: (100 * Math.abs(value)) / largest + "%", background: DATA.scenarios[index].colour } })))));
  }));
}

function zoneLegend(scenarios) {
  const keys = new Map(), before = new Map();
  for (const scenario of scenarios) {
    const locked = findLayer(DATA.frames[scenario.frame], "locked_in", scenario.name);
    const present = locked ? new Set(unpack(locked.data)) : new Set();
    scenario.zones.forEach((zone, index) => {
      keys.set(zone.colour, capital(pretty(zone.name)));
      if (present.has(index + 1)) before.set(zone.dark, t("in_zone_before", { zone: capital(pretty(zone.name)) }));
    });
  }
  const bases = new Set(scenarios.flatMap((item) => [...new Set(unpack(DATA.frames[item.frame].base))]));
  return [...[...keys, ...before].map(([colour, label]) => swatch(colour, label)),
    bases.has(1) ? swatch(DATA.colours.land, t("not_selected")) : null, bases.has(2) ? swatch(DATA.colours.sea, t("not_selected_sea")) : null].filter(Boolean);
}

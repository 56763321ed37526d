// Start: everything is drawn once, and again in the other language.
"use strict";
function speak(language) {
  page.language = language;
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const redraw of page.redraws) redraw();
  document.documentElement.dataset.ready = language;
}

page.redraws.push(overview);
startMaps();
page.redraws.push(charts, tables, provenance);
document.getElementById("language").addEventListener("click", () => speak(page.language === "en" ? "zh" : "en"));
document.getElementById("print").addEventListener("click", () => window.print());
// A sheet of A4 is as wide as the class makes the page: charts are drawn again for it.
function forPrint(on) {
  document.body.classList.toggle("printing", on);
  plots.forEach((chart) => { chart.resize(); chart.getZr().flush(); });
}
window.addEventListener("beforeprint", () => forPrint(true));
window.addEventListener("afterprint", () => forPrint(false));
let waiting = 0;
window.addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => plots.forEach((chart) => chart.resize()), 120); });
speak((navigator.language || "").toLowerCase().startsWith("zh") ? "zh" : "en");

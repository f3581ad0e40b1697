// The frame of the particle player: legend, stage, control bar, view menu.

function particleFrame(act) {
  const dom = buildBar(act);
  dom.legend = element("div", { class: "legend" });
  showCut(dom.legend);
  dom.points = element("canvas", { class: "points" });
  dom.axes = svg("svg", { class: "axes", "aria-hidden": "true" });
  dom.notes = element("div", { class: "notes" });
  dom.notice = element("div", { class: "notice", role: "status", hidden: true });
  dom.said = element("div", { class: "note said", hidden: true });
  dom.stage = element("div", { class: "stage", role: "img", onclick: act.toggle }, dom.axes, dom.points, dom.notes, dom.said);
  dom.root = element("div", { class: "player", role: "group", "aria-roledescription": "player" }, dom.legend, dom.notice, dom.stage, dom.bar);
  return dom;
}

/** The view menu: only what this payload has. choices: {colors: [[id, label]], has: {...}}. */
function fillMenu(dom, options, choices, change) {
  const parts = [];
  if (choices.colors.length > 1) {
    parts.push(element("fieldset", { class: "choice" }, element("legend", {}, "Colour by"),
      ...choices.colors.map(([id, label]) => element("label", {},
        element("input", { type: "radio", name: "color", value: id, checked: options.color === id, onchange: () => change({ color: id }) }),
        element("span", {}, label)))));
  }
  if (choices.has.trails) {
    const value = element("output", {}, options.trail ? `${options.trail} frames` : "off");
    const range = element("input", { type: "range", min: 0, max: 40, step: 1, value: options.trail, "aria-label": "Trail length in frames",
      oninput: () => { value.textContent = Number(range.value) ? `${range.value} frames` : "off"; change({ trail: Number(range.value) }); } });
    parts.push(element("label", { class: "row" }, element("span", {}, "Trails"), range, value));
  }
  for (const [name, label] of [["background", choices.background], ["arrows", choices.arrows], ["strips", "Histograms"]]) {
    if (!choices.has[name]) continue;
    parts.push(checkRow(name, label, options, change));
  }
  dom.rows.replaceChildren(...parts, keysHelp());
}

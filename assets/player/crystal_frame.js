// The frame of the crystal player: legend, tools, stage, control bar, view menu. It wears the particle player's style
// sheet, so that both look and work alike.

function crystalFrame(act) {
  const chip = (text, title, onclick) => element("button", { type: "button", class: "chip", title, "aria-pressed": "false", onclick }, text);
  const dom = buildBar(act);
  dom.legend = element("div", { class: "legend" });
  showCut(dom.legend);
  dom.all = element("button", { type: "button", class: "chip", onclick: act.all });
  dom.cells = element("div", { class: "segments", role: "group", "aria-label": "Unit cells along each edge" },
    ...[1, 2, 3].map((n) => chip(`${n}\u00d7`, n === 1 ? "One unit cell" : `${n} \u00d7 ${n} \u00d7 ${n} unit cells`, () => act.repeat(n))));
  dom.fit = element("button", { type: "button", class: "chip", title: "Fit the crystal into view", onclick: act.fit }, "Fit");
  dom.tools = element("div", { class: "tools" }, dom.all, dom.cells, dom.fit);
  dom.head = element("div", { class: "head" }, dom.legend, dom.tools);
  dom.notice = element("div", { class: "notice", role: "status", hidden: true });
  dom.labels = element("div", { class: "labels", "aria-hidden": "true" });
  dom.cell = element("div", { class: "cell" });
  dom.tip = element("div", { class: "tip", role: "tooltip", hidden: true });
  dom.stage = element("div", { class: "stage", role: "img" }, dom.labels, dom.cell, dom.tip);
  dom.table = element("div", { class: "table", hidden: true });
  dom.root = element("div", { class: "player crystal", role: "group", "aria-roledescription": "player" },
    dom.head, dom.notice, dom.stage, dom.table, dom.bar);
  return dom;
}

/** The view menu: check boxes for `options` named in rows [[name, label]], then keys and gestures [[keys, does]]. */
function fillMenu(dom, options, rows, gestures, change) {
  dom.rows.replaceChildren(...rows.map(([name, label]) => checkRow(name, label, options, change)), keysHelp(gestures));
}

// What the frames of all players are made of: elements, the control bar, rows of the view menu, the legend. Buttons only call
// back; they hold no state.

const ICONS = {
  play: "M7 4.8v14.4c0 .8.9 1.3 1.6.8l11-7.2c.6-.4.6-1.2 0-1.6l-11-7.2C7.9 3.6 7 4 7 4.8z",
  pause: "M7 4h3.5v16H7zM13.5 4H17v16h-3.5z",
  back: "M6 5h2.2v14H6zM18.5 5.6v12.8L9.3 12z",
  next: "M15.8 5H18v14h-2.2zM5.5 5.6v12.8l9.2-6.4z",
  loop: "M17 2.5l4 4-4 4v-3H8a3.5 3.5 0 0 0-3.5 3.5v1H2.5v-1A5.5 5.5 0 0 1 8 5.5h9zM7 21.5l-4-4 4-4v3h9a3.5 3.5 0 0 0 3.5-3.5v-1h2v1a5.5 5.5 0 0 1-5.5 5.5H7z",
  full: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  view: "M4 6.5h9.5M18 6.5h2M4 12h2.5M11 12h9M4 17.5h7.5M16 17.5h4M15.8 4.2v4.6M8.7 9.7v4.6M13.7 15.2v4.6",
};
const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];
const KEYS_HELP = [["Space", "play or pause"], ["\u2190 \u2192", "step"], ["Home End", "first, last"], [", .", "slower, faster"], ["f", "full screen"]];

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  if (name === "view" || name === "full") svg.classList.add("stroked");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

const number = (value, digits) => value.toFixed(digits).replace("-", "\u2212");

/** The control bar with its view menu; `act` holds what the controls do. Returns the pieces by name. */
function buildBar(act) {
  const button = (name, label, onclick, extra = {}) =>
    element("button", { type: "button", class: `button ${name}`, "aria-label": label, title: label, onclick, ...extra }, icon(name));
  const dom = {};
  dom.play = button("play", "Play", act.toggle);
  dom.back = button("back", "Step back", () => act.step(-1));
  dom.next = button("next", "Step forward", () => act.step(1));
  dom.loop = button("loop", "Loop", act.loop, { "aria-pressed": "false" });
  dom.scrub = element("input", {
    type: "range", class: "scrub", min: 0, step: 1, "aria-label": "Time",
    oninput: () => act.scrub(Number(dom.scrub.value)), onchange: () => act.release(), onpointerdown: () => act.grab(),
  });
  dom.time = element("span", { class: "time" });               // no live region: it changes ten times a second
  dom.speed = element("select", { class: "speed", "aria-label": "Speed", title: "Speed", onchange: () => act.speed(Number(dom.speed.value)) },
    ...SPEEDS.map((speed) => element("option", { value: speed }, `${speed}\u00d7`)));
  dom.spare = element("div", { class: "spare" });               // controls that a low player has no room for in its bar
  dom.rows = element("div", { class: "rows" });
  dom.saves = element("div", { class: "saves", role: "group", "aria-label": "Download" });
  dom.full = button("full", "Full screen", act.full, { "aria-pressed": "false" });
  dom.full.hidden = !document.fullscreenEnabled;
  dom.now = element("p", { class: "now", "aria-live": "off" });  // what the stage shows, for those who do not see it; written at rest
  dom.menu = element("div", { class: "menu", role: "dialog", "aria-label": "View", hidden: true }, dom.spare, dom.rows, dom.saves);
  dom.view = button("view", "View options", () => act.menu(dom.menu.hidden), { "aria-expanded": "false", "aria-haspopup": "dialog" });
  dom.transport = element("div", { class: "transport" });
  dom.extras = element("div", { class: "extras" });
  dom.bar = element("div", { class: "bar" }, dom.transport, element("div", { class: "track" }, dom.scrub, dom.time), dom.extras, dom.menu);
  arrangeBar(dom, false);
  return dom;
}

/** All controls in the bar, or in a low player those that are seldom used in its menu. */
function arrangeBar(dom, low) {
  if (dom.low === low) return;
  dom.low = low;
  dom.transport.replaceChildren(...(low ? [dom.play] : [dom.back, dom.play, dom.next]));
  dom.extras.replaceChildren(...(low ? [dom.full, dom.view] : [dom.speed, dom.loop, dom.full, dom.view]));
  dom.spare.replaceChildren(...(low ? [dom.back, dom.next, dom.speed, dom.loop] : []));
}

function showPlaying(dom, playing) {
  const label = playing ? "Pause" : "Play";
  if (dom.play.title === label) return;
  dom.play.replaceChildren(icon(playing ? "pause" : "play"));
  dom.play.title = label;
  dom.play.setAttribute("aria-label", label);
}

/** A check box of the view menu for the option `name`. */
function checkRow(name, label, options, change) {
  const box = element("input", { type: "checkbox", name, checked: options[name], onchange: () => change({ [name]: box.checked }) });
  return element("label", { class: "row" }, box, element("span", {}, label));
}

/** What keys, and gestures [[keys, does]] before them, do. */
function keysHelp(gestures = []) {
  const help = element("dl", { class: "keys" });
  for (const [keys, does] of [...gestures, ...KEYS_HELP]) help.append(element("dt", {}, keys), element("dd", {}, does));
  return help;
}

/** A legend in one row that goes on to the right says so: its end fades (class "cut") until it is scrolled to its last entry. */
function showCut(legend) {
  const tell = () => legend.classList.toggle("cut", legend.scrollWidth - legend.clientWidth - legend.scrollLeft > 2);
  legend.addEventListener("scroll", tell, { passive: true });
  new ResizeObserver(tell).observe(legend);
  new MutationObserver(tell).observe(legend, { childList: true });
}

/**
 * Legend entries: {color, text, kind: dot|bars|band|line|arrow|ramp, parts, faint}; an entry of kind "remark" is words alone. parts: what it is for
 * the terms of an equation (STAGE_PARTS); such an entry can be pointed at.
 */
function fillLegend(dom, entries) {
  dom.legend.replaceChildren(...entries.map(({ kind = "dot", color, text, parts, faint }) => {
    if (kind === "remark") return element("span", { class: "entry remark" }, text);
    const swatch = element("i", { class: `swatch ${kind}`, "aria-hidden": "true" });
    swatch.style.setProperty("--swatch", color);
    return element("span", { class: faint ? "entry faint" : "entry", tabindex: parts ? 0 : null, "data-parts": parts?.join(" ") ?? null }, swatch, text);
  }));
}

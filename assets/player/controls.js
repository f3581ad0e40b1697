// The frame of the player: legend, stage, control bar, view menu. Buttons only call back; they hold no state.

const ICONS = {
  play: "M7 4.8v14.4c0 .8.9 1.3 1.6.8l11-7.2c.6-.4.6-1.2 0-1.6l-11-7.2C7.900 3.600 7 4 7 4.800z",
  pause: "M7 4h3.500v16H7zM13.500 4H17v16h-3.500z",
  back: "M6 5h2.200v14H6zM18.500 5.600v12.800L9.300 12z",
  next: "M15.800 5H18v14h-2.200zM5.500 5.600v12.800l9.200-6.400z",
  loop: "M17 2.500l4 4-4 4v-3H8a3.500 3.500 0 0 0-3.500 3.500v1H2.500v-1A5.500 5.500 0 0 1 8 5.500h9zM7 21.500l-4-4 4-4v3h9a3.500 3.500 0 0 0 3.500-3.500v-1h2v1a5.500 5.500 0 0 1-5.500 5.500H7z",
  view: "M4 6.500h9.500M18 6.500h2M4 12h2.500M11 12h9M4 17.500h7.500M16 17.500h4M15.800 4.200v4.600M8.700 9.700v4.600M13.700 15.200v4.600",
};
const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];
const KEYS_HELP = [["Space", "play or pause"], ["\u2190 \u2192", "step"], ["Home End", "first, last"], [", .", "slower, faster"]];

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
  if (name === "view") svg.classList.add("stroked");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Build the player's DOM; `act` holds what the controls do. Returns the pieces by name. */
function buildFrame(act) {
  const button = (name, label, onclick, extra = {}) =>
    element("button", { type: "button", class: `button ${name}`, "aria-label": label, title: label, onclick, ...extra }, icon(name));
  const dom = {};
  dom.legend = element("div", { class: "legend" });
  dom.points = element("canvas", { class: "points" });
  dom.axes = svg("svg", { class: "axes", "aria-hidden": "true" });
  dom.notes = element("div", { class: "notes" });
  dom.notice = element("div", { class: "notice", role: "status", hidden: true });
  dom.stage = element("div", { class: "stage", role: "img", onclick: act.toggle }, dom.axes, dom.points, dom.notes);
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
  dom.menu = element("div", { class: "menu", role: "dialog", "aria-label": "View", hidden: true });
  dom.view = button("view", "View options", () => act.menu(dom.menu.hidden), { "aria-expanded": "false", "aria-haspopup": "dialog" });
  dom.bar = element("div", { class: "bar" },
    element("div", { class: "transport" }, dom.back, dom.play, dom.next),
    element("div", { class: "track" }, dom.scrub, dom.time),
    element("div", { class: "extras" }, dom.speed, dom.loop, dom.view), dom.menu);
  dom.root = element("div", { class: "player", role: "group", "aria-roledescription": "player" }, dom.legend, dom.notice, dom.stage, dom.bar);
  return dom;
}

function setPlaying(dom, playing) {
  const label = playing ? "Pause" : "Play";
  if (dom.play.title === label) return;
  dom.play.replaceChildren(icon(playing ? "pause" : "play"));
  dom.play.title = label;
  dom.play.setAttribute("aria-label", label);
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
  for (const [name, label] of [["background", "Exact density"], ["arrows", choices.arrows], ["strips", "Histograms"]]) {
    if (!choices.has[name]) continue;
    const box = element("input", { type: "checkbox", name, checked: options[name], onchange: () => change({ [name]: box.checked }) });
    parts.push(element("label", { class: "row" }, box, element("span", {}, label)));
  }
  const help = element("dl", { class: "keys" });
  for (const [keys, does] of KEYS_HELP) help.append(element("dt", {}, keys), element("dd", {}, does));
  dom.menu.replaceChildren(...parts, help);
}

/** Legend entries: {kind: dot|band|line|arrow|ramp, color, text}. */
function fillLegend(dom, entries) {
  dom.legend.replaceChildren(...entries.map(({ kind, color, text }) => {
    const swatch = element("i", { class: `swatch ${kind}`, "aria-hidden": "true" });
    swatch.style.setProperty("--swatch", color);
    return element("span", { class: "entry" }, swatch, text);
  }));
}

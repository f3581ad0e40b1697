// Modes of a density as handles on the stage: the disc moves one, the grip at its side widens it, the grip above weighs it. While a
// hand is on them the density and its arrows are computed here, every frame; when it lets go, Python hears and computes the rest.

const NUDGE = 0.05;
const NUDGES = { ArrowLeft: [0, -NUDGE], ArrowRight: [0, NUDGE], ArrowDown: [1, -NUDGE], ArrowUp: [1, NUDGE] };
const GROWS = { "+": [2, 1.1], "-": [2, 1 / 1.1], "]": [3, 1.05], "[": [3, 1 / 1.05] };

class Handles {
  constructor(player) {
    this.player = player;
    this.layer = svg("svg", { class: "handles" });
    this.layer.addEventListener("click", (event) => event.stopPropagation());     // a click on the stage plays or pauses
    player.dom.stage.insertBefore(this.layer, player.dom.notes);
    this.modes = [];
  }

  /** What Python sent; a hand that holds a mode keeps it. */
  load(spec) {
    this.spec = spec ?? null;
    if (this.held && spec?.modes.length === this.modes.length) this.refresh();
    else {
      this.held = null;
      this.modes = (spec?.modes ?? []).map((mode) => [...mode]);
    }
  }

  /** Draw the handles on every plot; `places` as layOut gives them. */
  place(places, bounds) {
    this.places = places;
    this.bounds = bounds;
    if (this.held) return this.update();
    this.groups = !this.spec ? [] : places.slice(0, plotCount(this.player.movie)).flatMap(({ plot }) => this.modes.map((_, k) => this.group(plot, k)));
    this.layer.replaceChildren(...this.groups.map(({ root }) => root));
    this.update();
  }

  group(plot, k) {
    const part = (name, attributes = {}) => svg(name === "label" ? "text" : "circle", { class: name, ...attributes }, name === "label" ? String(k + 1) : undefined);
    const parts = Object.fromEntries(["ring", "reach", "disc", "label", "widen", "weigh"].map((name) => [name, part(name)]));
    const root = svg("g", { class: "handle", tabindex: 0, role: "slider", "aria-label": `Mode ${k + 1}` });
    root.append(...Object.values(parts));
    for (const [name, action] of [["reach", "move"], ["disc", "move"], ["widen", "widen"], ["weigh", "weigh"]]) {
      const spot = parts[name];
      spot.addEventListener("pointerdown", (event) => this.grab(event, spot, plot, k, action));
      spot.addEventListener("pointermove", (event) => this.drag(event, plot));
      for (const end of ["pointerup", "pointercancel"]) spot.addEventListener(end, () => this.release());
    }
    root.addEventListener("keydown", (event) => this.press(event, k));
    return { root, parts, plot, k };
  }

  unit(plot) { return plot.w / (this.bounds[1] - this.bounds[0]); }

  /** The point of the plane under the pointer. */
  under(event, plot) {
    const box = this.layer.getBoundingClientRect();
    const [xl, xh, yl, yh] = this.bounds;
    return [xl + ((event.clientX - box.left - plot.x) / plot.w) * (xh - xl), yh - ((event.clientY - box.top - plot.y) / plot.h) * (yh - yl)];
  }

  grab(event, spot, plot, k, action) {
    event.preventDefault();
    event.stopPropagation();
    spot.setPointerCapture(event.pointerId);
    spot.parentNode.focus({ preventScroll: true });
    this.held = { k, action, from: this.under(event, plot), mode: [...this.modes[k]], moved: false };
    this.update();
  }

  drag(event, plot) {
    if (!this.held) return;
    const { k, action, from, mode } = this.held;
    const at = this.under(event, plot);
    const next = [...mode];
    if (action === "move") [0, 1].forEach((axis) => { next[axis] += at[axis] - from[axis]; });
    else if (action === "widen") next[3] += at[0] - from[0];
    else next[2] *= Math.exp(1.2 * (at[1] - from[1]));
    this.held.moved = true;
    this.set(k, next);
  }

  release() {
    if (!this.held) return;
    const { moved } = this.held;
    this.held = null;
    this.update();
    if (moved) this.tell();
  }

  press(event, k) {
    const next = [...this.modes[k]];
    if (NUDGES[event.key]) next[NUDGES[event.key][0]] += NUDGES[event.key][1];
    else if (GROWS[event.key]) next[GROWS[event.key][0]] *= GROWS[event.key][1];
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.set(k, next);
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.tell(), 350);           // one report for a burst of keys
  }

  set(k, mode) {
    this.modes[k] = mode.map((value, i) => Math.min(this.spec.limits[i][1], Math.max(this.spec.limits[i][0], value)));
    this.update();
    this.refresh();
  }

  tell() { if (!this.player.closed) this.player.trigger?.("edit", { modes: this.modes }); }

  /** Put every shape where its mode is. */
  update() {
    const most = Math.max(...this.modes.map((mode) => mode[2]));
    const total = this.modes.reduce((sum, mode) => sum + mode[2], 0);
    for (const { root, parts, plot, k } of this.groups ?? []) {
      const [x, y, weight, width] = this.modes[k];
      const unit = this.unit(plot);
      const at = { cx: plot.x + (x - this.bounds[0]) * unit, cy: plot.y + (this.bounds[3] - y) * unit };
      const ring = Math.max(14, width * unit);
      const put = (name, attributes) => { for (const [key, value] of Object.entries(attributes)) parts[name].setAttribute(key, value); };
      put("ring", { ...at, r: ring });
      put("reach", { ...at, r: Math.min(22, Math.max(13, ring)) });
      put("disc", { ...at, r: 8 + 5 * Math.sqrt(weight / most) });
      put("label", { x: at.cx, y: at.cy + 4.5 });
      put("widen", { cx: at.cx + ring, cy: at.cy, r: 6 });
      put("weigh", { cx: at.cx, cy: at.cy - ring, r: 6 });
      const held = this.held?.k === k;
      root.classList.toggle("held", held);
      const words = `x ${x.toFixed(2)}, y ${y.toFixed(2)}, share ${((100 * weight) / total).toFixed(0)} %, width ${width.toFixed(2)}`;
      root.setAttribute("aria-valuenow", x.toFixed(2));
      root.setAttribute("aria-valuetext", words);
      if (held) this.player.say(`Mode ${k + 1}: ${words}`);
    }
    if (!this.held) this.player.say("");
  }

  /** The density and its score as they are now, put into the panels at once. */
  refresh() {
    const { movie, renderer } = this.player;
    movie.panels.forEach((panel, i) => {
      mixtureField(panel, this.modes, this.spec, this.spec.powers[i] ?? 1, movie.bounds);
      renderer.fieldChanged?.(i);
    });
    this.player.wake();
  }
}

/** p^power and its score on a panel's own grids; p = sum_k w_k N(x; m_k, s_k^2 + sigma^2). Same scales as player_panel.py. */
function mixtureField(panel, modes, { sigma }, power, [xl, xh, yl, yh]) {
  const terms = modes.map(([x, y, weight, width]) => [x, y, width * width + sigma * sigma, Math.log(weight / (width * width + sigma * sigma))]);
  const logs = new Float64Array(terms.length);
  const evaluate = (x, y, force) => {
    let top = -Infinity;
    terms.forEach(([mx, my, v, log], k) => { top = Math.max(top, (logs[k] = log - ((x - mx) ** 2 + (y - my) ** 2) / (2 * v))); });
    let sum = 0;
    if (force) force[0] = force[1] = 0;
    terms.forEach(([mx, my, v], k) => {
      const r = Math.exp(logs[k] - top);
      sum += r;
      if (force) { force[0] += (r * (mx - x)) / v; force[1] += (r * (my - y)) / v; }
    });
    if (force) { force[0] /= sum; force[1] /= sum; }
    return top + Math.log(sum);
  };
  const cells = ({ rows, columns }, visit) => {
    for (let j = 0, i = 0; j < rows; j++) for (let k = 0; k < columns; k++, i++) visit(i, xl + ((k + 0.5) / columns) * (xh - xl), yl + ((j + 0.5) / rows) * (yh - yl));
  };
  if (panel.density) {
    const { rows, columns } = panel.density;
    const logP = new Float64Array(rows * columns);
    let peak = -Infinity;
    cells(panel.density, (i, x, y) => { peak = Math.max(peak, (logP[i] = power * evaluate(x, y))); });
    panel.density.data = Uint8Array.from(logP, (value) => Math.round(255 * Math.exp(value - peak)));
    panel.density.keys = [0];
  }
  if (panel.arrows) {
    const { rows, columns } = panel.arrows;
    const all = new Float64Array(2 * rows * columns);
    const lengths = new Float64Array(rows * columns);
    const force = [0, 0];
    cells(panel.arrows, (i, x, y) => { evaluate(x, y, force); all.set(force, 2 * i); lengths[i] = Math.hypot(...force); });
    const scale = [...lengths].sort((a, b) => a - b)[Math.floor(0.9 * (lengths.length - 1))] || 1;
    panel.arrows.data = Int8Array.from(all, (value, i) => Math.round((63.5 * value * Math.min(1, (2 * scale) / (lengths[i >> 1] || 1))) / scale));
    panel.arrows.keys = [0];
  }
}

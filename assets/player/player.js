// The particle player: a movie on a clock and the options its reader chose. Streamlit calls the default export on every change.

const MARKS = { light: ["#332288", "#CC6677", "#117733", "#997700", "#44AA99", "#882255", "#4477AA", "#6B7280"],
                dark: ["#8FA8FF", "#F08C9B", "#7BD389", "#E5C45A", "#5FD0C5", "#E28BC8", "#7EC8F2", "#B6BEC9"] };
const RAMP = ["#0D0887", "#5B02A3", "#9A179B", "#CB4678", "#EB7852", "#FBB32F", "#F0F921"];      // plasma

/** Along the whole ramp, for pictures. */
function pictureColor(part) {
  const at = part * (RAMP.length - 1);
  const i = Math.min(RAMP.length - 2, Math.floor(at));
  return mixed(rgb(RAMP[i]), rgb(RAMP[i + 1]), at - i);
}

/** Along the part of the ramp that stands out from the page, for particles. */
const rampColor = (part, dark) => pictureColor(dark ? 0.3 + 0.7 * part : 0.8 * part);

/** Colour of a panel's arrows: the score is kept apart from the force, the drift and the current. */
const arrowInk = ({ arrow_role: role }) => (role === "score" ? "ink" : "force");

// what a term of an equation may be on this stage (`stage` in assets/glossary.toml)
const STAGE_PARTS = ["particles", "noise", "density", "force", "score", "current", "drift"];
const FAINT = 0.15;                                           // opacity of what is not meant

const REVIVAL_MS = 1500;                                      // a lost context that is not back by then is given up
const STRIPS_FROM = 130;                                      // pixels of a plot below which a low stage shows no histograms

class ParticlePlayer extends Player {
  constructor(parent) {
    super(parent);
    this.turn = 0;
    this.startRenderer();
    this.handles = new Handles(this);
    this.preview = new Preview({ read: (bytes) => readEnvelope(bytes, "N2CP", "player"), show: (envelope) => this.take(envelope),
      back: () => this.take(this.committed) });
  }

  build(act) { return particleFrame(act); }

  listen() {
    super.listen();
    const { signal } = this.stop;
    const { legend } = this.dom;
    document.addEventListener("n2c:light", ({ detail: { parts } }) => this.lightUp(parts), { signal });
    const point = (parts, toggle = false) => document.dispatchEvent(new CustomEvent("n2c:point", { detail: { parts, toggle } }));
    const partsAt = (event) => event.target.closest("[data-parts]")?.dataset.parts.split(" ") ?? [];
    for (const [enters, leaves] of [["pointerover", "pointerout"], ["focusin", "focusout"]]) {
      legend.addEventListener(enters, (event) => { if (event.pointerType !== "touch") point(partsAt(event)); }, { signal });
      legend.addEventListener(leaves, (event) => { if (event.pointerType !== "touch") point([]); }, { signal });
    }
    legend.addEventListener("click", (event) => {
      if (event.pointerType !== "touch") return;
      event.stopPropagation();                                // what the page does with a tap beside its terms
      point(partsAt(event), true);
    }, { signal });
  }

  /** Let only the first of these parts stand out that the stage draws; all are as ever if it draws none. */
  lightUp(parts) {
    const lit = parts.find((part) => this.drawnParts?.has(part)) ?? null;
    if (lit === (this.lit ?? null)) return;
    this.lit = lit;
    this.dom.root.dataset.lit = lit ?? "";
    this.legend();
    this.wake();
  }

  /** Opacity of what is these parts. */
  strength(...parts) { return !this.lit || parts.includes(this.lit) ? 1 : FAINT; }

  startRenderer() {
    const { points, notice } = this.dom;
    try {
      this.renderer = new GlRenderer(points);
      points.addEventListener("webglcontextlost", (event) => {
        event.preventDefault();
        this.lost = true;
        clearTimeout(this.revival);
        this.revival = setTimeout(() => this.revive(), REVIVAL_MS);
      });
      points.addEventListener("webglcontextrestored", () => {
        clearTimeout(this.revival);
        this.lost = false;
        if (this.closed) return;
        this.renderer.restore();
        if (!this.movie) return;
        this.paint();
        this.wake();
      });
    } catch (error) {
      const fresh = element("canvas", { class: "points" });
      points.replaceWith(fresh);
      this.dom.points = fresh;
      this.renderer = new FlatRenderer(fresh);
      notice.textContent = "This browser gives no WebGL2, so the particles are shown at rest, without the exact density "
        + "and arrows. The steps and the time bar still work.";
      notice.hidden = false;
      if (!/no WebGL2/.test(error.message)) console.warn("particle player:", error);
    }
    this.dom.root.dataset.renderer = this.renderer.name;
  }

  /** The browser took the context and does not give it back: draw on a fresh canvas. */
  revive() {
    if (this.closed || !this.lost) return;
    const fresh = element("canvas", { class: "points" });
    this.dom.points.replaceWith(fresh);
    this.dom.points = fresh;
    this.lost = false;
    this.startRenderer();
    if (!this.movie) return;
    this.renderer.setMovie(this.movie);
    this.settle();
    this.measure(true);
  }

  /** Take what Python sent. The same payload again changes nothing; a new one keeps clock, speed and choices. */
  async load(component) {
    this.tell = component.setStateValue;
    this.trigger = component.setTriggerValue;
    const envelope = readEnvelope(component.data, "N2CP", "player");
    this.mount = envelope.mount;
    this.committed = envelope;
    this.preview.committed(Boolean(envelope.mount.preview));
    await this.take(envelope);
  }

  /** Draw the movie of an envelope, unless it is what is drawn. */
  async take(envelope) {
    const turn = ++this.turn;
    if (this.movie?.id === envelope.header.id) {
      this.style();
      this.measure();
      return;
    }
    const movie = await decodeMovie(envelope);
    if (turn !== this.turn || this.closed) return;            // a newer payload overtook this one
    this.options ??= {};
    this.begin(movie, this.still.matches || this.renderer.name === "2d");
    this.renderer.setMovie(movie);
    this.handles.load(movie.handles);
    this.settle();
    this.measure(true);
    // now: the page may keep the next frame waiting
    if (this.inSight && !document.hidden && this.rects && this.dom.root.dataset.drawnPayload !== movie.id) this.draw();
  }

  /** Options in force: the reader's choices over the payload's own wishes. */
  settle() {
    const { movie } = this;
    const some = (test) => movie.panels.some(test);
    const colors = [["role", "One colour"]];
    if (some((p) => p.labels)) colors.push(["label", "Label"]);
    if (some((p) => p.values)) colors.push(["value", movie.panels.find((p) => p.values).value_label]);
    if (some((p) => p.starts)) colors.push(["start", "Start"]);
    const gl = this.renderer.name === "webgl2";
    const arrows = movie.panels.find((p) => p.arrows)?.arrow_role ?? "force";
    this.choices = { colors,
      background: movie.panels.every((p) => !p.density || p.density_name === "exact density") ? "Exact density" : "Background",
      arrows: `${arrows[0].toUpperCase()}${arrows.slice(1)} arrows`,
      has: { trails: gl && !movie.flat && !movie.image && movie.frames > 1, background: gl && some((p) => p.density),
        arrows: gl && some((p) => p.arrows), strips: !movie.image } };
    const color = some((p) => p.labels) ? "label" : some((p) => p.values) ? "value" : "role";
    this.options = { trail: movie.trail, loop: movie.loop, background: true, arrows: true, strips: movie.strips, color, ...this.chosen };
    if (!colors.some(([id]) => id === this.options.color)) this.options.color = color;
    this.dom.loop.setAttribute("aria-pressed", String(this.options.loop));
    fillMenu(this.dom, this.options, this.choices, (change) => this.choose(change));
    this.style();
  }

  choose(change) {
    Object.assign(this.chosen, change);
    Object.assign(this.options, change);
    this.dom.loop.setAttribute("aria-pressed", String(this.options.loop));
    if ("color" in change) this.paint();
    if ("strips" in change) this.measure(true);
    this.legend();
    this.wake();
  }

  /** Read theme and lecture mode off the page. */
  style() {
    if (!this.movie) return;
    if (this.readTheme()) {
      this.dark = this.look.dark;
      this.type = this.look.lecture ? 18 : 12.5;
      this.big = this.look.lecture ? 1.6 : 1;
      this.dirtyAxes = true;
    }
    this.paint();
    this.legend();
    this.wake();
  }

  /** Colours of the particles, as an index each into 256 colours. */
  paint() {
    this.movie.panels.forEach((panel, i) => {
      const ramp = new Uint8Array(1024).fill(255);
      let indices = new Uint8Array(panel.n);
      const put = (k, color) => color.forEach((v, d) => { ramp[4 * k + d] = Math.round(255 * v); });
      const by = panel.image ? "picture" : this.options.color;
      if (by === "label" && panel.labels) {
        indices = panel.labels;
        for (let k = 0; k < 256; k++) put(k, rgb(this.mark(k)));
      } else if ((by === "value" && panel.values) || (by === "start" && panel.starts)) {
        indices = by === "value" ? panel.values : panel.starts;
        for (let k = 0; k < 256; k++) put(k, rampColor(k / 255, this.dark));
      } else if (by === "picture") for (let k = 1; k < 256; k++) put(k, pictureColor((k - 1) / 254));
      else put(0, rgb(this.roles[panel.role]));
      this.renderer.setColors(i, { indices, ramp });
    });
  }

  mark(k) {
    const marks = MARKS[this.dark ? "dark" : "light"];
    return marks[k % marks.length];
  }

  legend() {
    const { movie, options, choices, roles } = this;
    const strips = options.strips && this.stripsShown !== false;
    const entries = new Map();
    const add = (kind, color, text, ...parts) => {
      const known = parts.filter((part) => STAGE_PARTS.includes(part));
      entries.set(kind + text, { kind, color, text, parts: known.length ? known : null, faint: this.strength(...known) < 1 });
    };
    this.drawnParts = new Set();
    const ramp = `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map((p) => css(rampColor(p, this.dark))).join(",")})`;
    const number = (v) => (Math.abs(v) >= 1e4 || (v && Math.abs(v) < 1e-2) ? v.toExponential(1) : Number(v.toPrecision(3)).toString());
    for (const panel of movie.panels) {
      if (panel.image) {
        const all = `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map((p) => css(pictureColor(p))).join(",")})`;
        add("ramp", all, `${panel.image_label} ${panel.image_range.map(number).join(" to ")}`);
        continue;
      }
      const who = panel.name || panel.role;
      const its = ["particles", panel.role];
      if (options.color === "label" && panel.labels) {
        const seen = [...new Set(panel.labels)].sort((a, b) => a - b).slice(0, 8);
        for (const k of seen) add("dot", this.mark(k), panel.label_names[k] ?? `${who} ${k + 1}`, ...its);
      } else if (options.color === "value" && panel.values) {
        add("ramp", ramp, `${panel.value_label} ${number(panel.value_range[0])} to ${number(panel.value_range[1])}`, ...its);
      } else if (options.color === "start" && panel.starts) {
        add("ramp", ramp, `start, ${movie.flat ? "low to high" : "left to right"}`, ...its);
      } else add("dot", roles[panel.role], who, ...its);
      if (strips && !entries.has("dot" + who)) add("bars", roles[panel.role], `${who}, histogram`, ...its);
      if (choices.has.background && panel.density && options.background) add("band", roles[panel.density_role], movie.flat ? `${panel.density_name} over time` : panel.density_name, "density");
      if (choices.has.arrows && panel.arrows && options.arrows) add("arrow", roles[arrowInk(panel)], panel.arrow_role, panel.arrow_role);
      if (strips && Object.keys(panel.exact).length) add("line", roles.exact, movie.flat ? "exact density now" : "exact marginal", "density");
    }
    for (const { parts } of entries.values()) for (const part of parts ?? []) this.drawnParts.add(part);
    if (this.lit && !this.drawnParts.has(this.lit)) {
      this.lightUp([]);
      return;
    }
    const remarks = new Set(movie.panels.map((panel, i) => this.subset(panel, i)).filter(Boolean));
    fillLegend(this.dom, [...entries.values(), ...[...remarks].map((text) => ({ kind: "remark", text }))]);
  }

  /** How much of a panel's paths or trails is drawn, in words; empty when all of it is. */
  subset({ n }, index) {
    const { movie, options, choices } = this;
    const trails = choices.has.trails && options.trail > 0;
    if (!trails && !(movie.flat && movie.frames > 1)) return "";
    const { count, frames } = this.renderer.drawnPaths(index);
    const kind = trails ? "trails" : "paths";
    const some = count < n ? `${count.toLocaleString("en")} of ${n.toLocaleString("en")} ${kind} drawn` : "";
    const short = trails && frames < Math.min(options.trail, movie.frames - 1) ? `${some ? "" : "trails "}${frames} frames long` : "";
    return [some, short, some && options.strips && this.stripsShown !== false ? "all counted" : ""].filter(Boolean).join(", ");
  }

  /**
   * Fit canvases to the space. A new payload never changes the height while width and panel count stay. Where the page allots a
   * height (--n2c-stage-height, see allotted() in clock.js) the stage takes what legend and bar leave of it, panels are put in the rows
   * and columns that make them largest, and a narrow stage that is too low for histograms shows none.
   */
  measure(force = false) {
    const { movie, dom } = this;
    if (!movie || this.closed) return;
    const width = dom.root.clientWidth;
    if (!width) return;
    const ratio = this.sharper ?? Math.min(window.devicePixelRatio || 1, 2);
    const allotted = this.shapeUp(width);
    const shape = `${width} ${movie.panels.length} ${movie.mode} ${this.mount.height} ${this.big} ${JSON.stringify(allotted)}`;
    if (shape !== this.shape) dom.legend.style.minHeight = "";
    const legend = dom.legend.offsetHeight;                   // grows with its entries, never shrinks again
    dom.legend.style.minHeight = `${legend}px`;
    const around = legend + dom.bar.offsetHeight + (dom.notice.hidden ? 0 : dom.notice.offsetHeight);
    let grid = gridShape(movie, width);
    const room = width < NARROW ? narrowHeight(movie, width, this.type) : Math.max(220, this.mount.height * (grid.rows > 1 ? 1.6 : 1) - around);
    let height = usedHeight(movie, width, room, this.type, this.options.strips);
    let { strips } = this.options;
    const left = allotted && Math.max(110, allotted.height - around);
    if (allotted && (!allotted.cap || left < height)) {
      height = left;
      grid = bestGrid(movie, width, height, this.type, strips);
      if (allotted.cap && strips && grid.plot < STRIPS_FROM) {
        strips = false;
        grid = bestGrid(movie, width, height, this.type, strips);
      }
    }
    if (strips !== this.stripsShown) {
      this.stripsShown = strips;
      this.legend();
    }
    const key = `${shape} ${height} ${ratio} ${strips}`;
    this.shape = shape;
    if (!force && key === this.sizeKey && !this.dirtyAxes) return;
    this.sizeKey = key;
    dom.stage.style.height = `${height}px`;
    dom.root.style.setProperty("--menu-room", `${Math.max(160, height + legend - 8)}px`);
    this.ratio = ratio;
    this.places = layOut(movie, width, height, this.type, strips, grid);
    const box = boundingBox(this.places);
    for (const [name, at] of [["left", box.x], ["top", box.y], ["width", box.w], ["height", box.h]]) dom.points.style[name] = `${at}px`;
    this.renderer.resize(Math.round(box.w * ratio), Math.round(box.h * ratio));
    const place = (rect) => glRect(rect, ratio, box, dom.points.height);
    this.rects = this.places.map(({ plot }) => place(plot));
    this.strips = this.places.map((at) => stripsOf(movie, at).map(([rect, axis, upright]) => [place(rect), axis, upright]));
    drawAxes(dom.axes, movie, this.places, { ...this.roles, type: this.type });
    this.handles.place(this.places, movie.bounds);
    dom.notes.replaceChildren(...this.places.map(({ plot }, i) => {
      const note = element("div", { class: movie.overlay ? "note whose" : "note", hidden: true });
      Object.assign(note.style, { left: `${plot.x + 5}px`, top: `${plot.y + 5 + (movie.overlay ? 1.6 * i * this.type : 0)}px`,
        maxWidth: `${plot.w - 10}px` });
      note.style.setProperty("--whose", `var(--role-${movie.panels[i].role})`);
      return note;
    }));
    this.dirtyAxes = false;
    this.stale = true;
    this.draw();
    this.wake();
  }

  /** A line of words over the stage while a hand is on a handle. */
  say(words) {
    const { said } = this.dom;
    if (said.textContent !== words) said.textContent = words;
    said.hidden = !words;
  }

  pointSize(n) {
    const plot = this.places[0].plot;
    const base = Math.min(8.5, Math.max(2.6, (Math.sqrt(plot.w * plot.h) / Math.sqrt(n)) * 0.48));
    return (this.movie.flat ? Math.min(base, 5) : base) * this.big * this.ratio;
  }

  draw() {
    const { movie, dom, roles } = this;
    if (!movie || !this.places || this.lost) return;
    const frame = Math.min(movie.frames - 1, Math.max(0, this.frame));
    this.renderer.draw({
      frame, playing: this.playing, options: this.options, rects: this.rects, strips: this.strips, pixelRatio: this.ratio, alpha: this.dark ? 0.9 : 0.85,
      colors: { exact: rgb(roles.exact), arrows: movie.panels.map((panel) => rgb(roles[arrowInk(panel)])), dark: this.dark, bar: this.dark ? 0.6 : 0.5,
        roles: movie.panels.map((panel) => rgb(roles[panel.role])),
        backgrounds: Object.fromEntries(movie.panels.filter((p) => p.density).map((p) => [p.density_role, rgb(roles[p.density_role])])) },
      lit: this.lit, strength: (...parts) => this.strength(...parts), size: (n) => this.pointSize(n), rim: (n) => [...rgb(roles.background), n <= 400 ? 0.75 : 0],
    });
    movie.panels.forEach((panel, i) => {
      const note = dom.notes.children[i];
      const text = missingNote(movie, panel, frame);
      if (note.textContent !== text) note.textContent = text;
      note.hidden = !text;
    });
    this.readClock(frame);
    this.markDrawn("player");
  }

  /** What `make` gives while everything is drawn at twice the pixels; a film that it begins is recorded so to its end. */
  sharply(make) {
    this.sharper = 2;
    this.measure(true);
    const made = make();
    if (!this.film) this.unsharpen();
    return made;
  }

  /** A film is shown larger than the stage. */
  saveFilm() {
    if (!this.film) this.sharply(() => super.saveFilm());
  }

  endFilm(dropped = false) {
    const { film } = this;
    super.endFilm(dropped);
    if (film) this.unsharpen();
  }

  unsharpen() {
    this.sharper = null;
    this.measure(true);
  }

  drawnCanvas() { return this.dom.points; }

  wordsOnStage() { return this.dom.notes.querySelectorAll(".note:not([hidden])"); }

  saves() { return [...super.saves(), ["Film", () => this.saveFilm()], ["Data (CSV)", () => this.saveData()]]; }

  /** Particles of the frame shown as a table. */
  saveData() {
    const { movie } = this;
    const frame = Math.round(this.frame);
    if (movie.image) {
      this.tellReader("This stage shows pictures, no particles: there is no table to save.");
      return;
    }
    const several = movie.panels.length > 1;
    const names = movie.flat ? [movie.y || "x"] : [movie.x || "x", movie.y || "y"];
    const labelled = movie.panels.some((panel) => panel.labels);
    const value = movie.panels.find((panel) => panel.values)?.value_label;
    const rows = [[...(several ? ["panel"] : []), "particle", ...names, ...(labelled ? ["label"] : []), ...(value ? [value] : [])]];
    movie.panels.forEach((panel, p) => {
      for (let i = 0; i < panel.n; i++) {
        const row = [...(several ? [panel.title || panel.name || `panel ${p + 1}`] : []), i];
        for (let axis = 0; axis < movie.dim; axis++) {
          const at = positionOf(movie, panel, frame, i, axis);
          row.push(Number.isNaN(at) ? "" : Number(at.toPrecision(5)));
        }
        if (labelled) row.push(panel.labels ? panel.label_names?.[panel.labels[i]] ?? panel.labels[i] + 1 : "");
        if (value) {
          const [low, high] = panel.value_range ?? [];
          row.push(panel.values ? Number((low + (panel.values[i] / 255) * (high - low)).toPrecision(4)) : "");
        }
        rows.push(row);
      }
    });
    const text = rows.map((row) => row.map(csvField).join(",")).join("\n");
    offer(new Blob([text + "\n"], { type: "text/csv" }), fileName(`frame-${frame + 1}.csv`));
  }

  /** The moment in words: panel by panel the time, particles, where they are on each axis, what is out of sight, labels and values. */
  describe() {
    const { movie, dom } = this;
    const frame = Math.round(this.frame);
    const number = (v) => (Math.abs(v) >= 1e4 || (v && Math.abs(v) < 1e-2) ? v.toExponential(1) : Number(v.toPrecision(3)).toString());
    const names = movie.flat ? [movie.y || "position"] : [movie.x || "x", movie.y || "y"];
    const panels = movie.panels.map((panel, p) => {
      const who = panel.title || panel.name || (movie.panels.length > 1 ? `Panel ${p + 1}` : "");
      if (panel.image) return `${who ? `${who}: ` : ""}picture of ${panel.image_label}, ${panel.image_range.map(number).join(" to ")}.`;
      const axes = names.map((name, axis) => {
        const { mean, spread } = momentsOf(movie, panel, frame, axis);
        if (Number.isNaN(mean)) return "";
        const { bins, axes: heights } = histogram(movie, panel, frame);
        const peak = heights[axis].indexOf(Math.max(...heights[axis]));
        const [low, high] = movie.bounds.slice(2 * axis, 2 * axis + 2);
        return `${name}: mean ${number(mean)}, spread ${number(spread)}, most near ${number(low + ((peak + 0.5) / bins) * (high - low))}`;
      }).filter(Boolean);
      const parts = [`${panel.n.toLocaleString("en")} particles`, ...axes, missingNote(movie, panel, frame)].filter(Boolean);
      if (panel.labels) {
        const counts = new Map();
        for (const k of panel.labels) counts.set(k, (counts.get(k) ?? 0) + 1);
        parts.push([...counts].sort(([a], [b]) => a - b).slice(0, 8)
          .map(([k, count]) => `${panel.label_names?.[k] ?? `label ${k + 1}`} ${Math.round((100 * count) / panel.n)} %`).join(", "));
      }
      if (panel.values) parts.push(`${panel.value_label} ${panel.value_range.map(number).join(" to ")}`);
      return `${who ? `${who}: ` : ""}${parts.join("; ")}.`;
    });
    return [movie.frames > 1 ? `${dom.time.textContent}.` : "", ...panels].filter(Boolean).join(" ");
  }

  /** Drawn by the processor, on a machine that also computes the new data: step back while a thumb is held, and while a run begins. */
  pace(now) {
    if (!this.renderer.software) return true;
    if (this.preview.held && now - this.drawnAt < 250) return false;
    const busy = document.querySelector("[data-test-script-state='running']") !== null;
    if (!busy) this.busySince = null;
    else this.busySince ??= now;
    return !(busy && now - this.busySince < 600 && now - this.drawnAt < 120);
  }

  dispose() {
    clearTimeout(this.revival);
    this.preview.close();
    this.renderer.dispose();
  }
}

export default function (component) {
  return mountPlayer(component, ParticlePlayer, "player");
}

// The crystal player: up to 16 crystals on a clock and the options its reader chose. Streamlit calls the default export
// on every change.

const LABELS_MAX = 90;                                        // more element symbols than this would hide the crystal

class CrystalPlayer extends Player {
  selected = null;                                            // one of several crystals, shown alone
  lit = null;                                                 // number of the lit group of atoms

  constructor(parent) {
    super(parent);
    this.preview = new Preview({ read: (bytes) => readEnvelope(bytes, "N2CX", "crystal"), show: (envelope) => this.show(envelope),
      back: () => this.show(this.committed) });
  }

  build(act) {
    return crystalFrame({ ...act, repeat: (n) => this.choose({ repeat: [n, n, n] }), all: () => this.select(null, true),
      fit: () => this.fit() });
  }

  listen() {
    super.listen();
    const { signal } = this.stop;
    const { stage } = this.dom;
    document.addEventListener("pointerdown", (event) => { this.engaged = event.composedPath().includes(stage); }, { signal });
    handleGestures(this, stage, signal);
  }

  /** Take what Python sent. The same payload again changes nothing; a new one keeps camera, clock and choices. */
  load(component) {
    this.tell = component.setStateValue;
    this.committed = readEnvelope(component.data, "N2CX", "crystal");
    this.mount = this.committed.mount;
    this.preview.committed(Boolean(this.mount.preview));
    this.show(this.committed);
  }

  /** Draw the crystals of an envelope, unless they are what is drawn. */
  show(envelope) {
    if (this.movie?.id !== envelope.header.id) this.take(decodeCrystals(envelope));
    this.style();
    this.measure(true);
  }

  take(movie) {
    const before = this.movie;
    this.begin(movie, this.still.matches);
    if ((movie.lit ?? null) !== (before?.lit ?? null)) this.lit = movie.lit ?? null;       // a reader's own choice stays otherwise
    this.options = { loop: movie.loop, repeat: movie.supercell, bonds: movie.bonds, ghosts: true, cell: true, symbols: false, ...this.chosen };
    if (this.selected !== null && this.selected >= movie.crystals.length) this.selected = null;
    this.sceneKey = null;
    this.measureCrystals(before);
    this.dom.bar.classList.toggle("static", movie.frames === 1);
    this.settle();
    if (this.failed) this.fillTable();
  }

  /** Load 3Dmol.js and open the viewer on the stage, which has its size; without either, show a table. */
  async open() {
    if (this.opening) return;
    this.opening = true;
    try {
      const $3Dmol = await loadLibrary();
      if (!this.closed) this.startView($3Dmol);
    } catch (error) {
      if (!this.closed) this.fail(error);
    }
    this.opening = false;
  }

  startView($3Dmol) {
    const view = new CrystalView(this.dom.stage, $3Dmol);
    view.camera = this.camera ?? null;
    view.canvas.addEventListener("webglcontextlost", () => {
      if (this.closed || this.view !== view) return;
      view.canvas.remove();                                     // the browser took the context back: open another
      this.camera = view.camera;
      this.view = null;
      clearTimeout(this.revival);
      this.revival = setTimeout(() => { if (!this.closed && !this.view) this.open(); }, 300);
    });
    this.view = view;
    this.dom.root.dataset.renderer = "3dmol";
    this.lookKey = this.sizeKey = this.sceneKey = null;
    this.style();
    this.measure(true);
  }

  fail(error) {
    const { dom } = this;
    this.failed = true;
    this.view = null;
    this.playing = false;
    this.frame = this.movie.frames - 1;
    dom.notice.textContent = /no WebGL2/.test(error.message)
      ? "This browser gives no WebGL, so the crystal cannot be drawn. Its last frame is in the table."
      : "The drawing library 3Dmol.js is neither on this server nor on the net, so the crystal cannot be drawn. "
        + "Its last frame is in the table; \u201cmake run\u201d with a network fetches the library.";
    dom.notice.hidden = false;
    for (const part of [dom.stage, dom.bar, dom.tools]) part.hidden = true;
    dom.table.hidden = false;
    dom.root.dataset.renderer = "table";
    this.fillTable();
    if (!/no WebGL2|could not be loaded/.test(error.message)) console.warn("crystal player:", error);
  }

  fillTable() {
    this.dom.table.replaceChildren(...this.movie.crystals.map((crystal, i) => crystalTable(crystal, i)));
    this.dom.root.dataset.drawnPayload = this.movie.id;
  }

  /** The crystals on stage: all, or the selected one. */
  shown() {
    return this.selected === null ? this.movie.crystals.map((_, i) => i) : [this.selected];
  }

  settle() {
    const { dom, movie, options } = this;
    dom.loop.setAttribute("aria-pressed", String(options.loop));
    [...dom.cells.children].forEach((chip, i) => {
      chip.setAttribute("aria-pressed", String(options.repeat.every((n) => n === i + 1)));
    });
    const several = movie.crystals.length > 1;
    dom.all.hidden = !several || this.selected === null;
    dom.all.textContent = `\u2039 All ${movie.crystals.length}`;
    dom.root.dataset.selected = this.selected ?? "";
    const rows = [["bonds", "Bonds"], ["ghosts", "Neighbours outside the cell"], ["symbols", "Element symbols"],
      ["cell", "Cell lengths and angles"]];
    const gestures = [["Drag", "turn"], ["Shift drag", "move"], ["Click, wheel", "zoom"],
      several ? ["Click", "open one of several"] : ["Double click", "fit"]];
    if (movie.crystals.some((crystal) => crystal.groups)) gestures.push(["Click an atom", "light up its equivalents"]);
    fillMenu(dom, options, rows, gestures, (change) => this.choose(change));
  }

  choose(change) {
    Object.assign(this.chosen, change);
    Object.assign(this.options, change);
    this.sceneKey = null;
    this.settle();
    this.wake();
  }

  select(k, byReader = false) {
    if (k === this.selected) return;
    this.selected = k;
    this.sceneKey = null;
    this.settle();
    this.legend();
    this.measure(true);
    if (byReader) this.report();
  }

  /** Light up the group of an atom, or put the light out when it is lit already; false where atoms belong to no groups. */
  light(hit) {
    const group = hit && this.movie.crystals[this.shown()[hit.k]].groups?.[hit.atom.site];
    if (group === undefined || group === null) return false;
    this.lit = this.lit === group ? null : group;
    this.sceneKey = null;
    this.wake();
    return true;
  }

  fit() {
    if (!this.view) return;
    this.view.fit(this.view.sizes[0]);
    this.wake();
  }

  /** Read theme and lecture mode off the page. */
  style() {
    if (!this.movie) return;
    if (this.readTheme()) {
      const { background, text } = this.look;
      this.view?.setLook({ page: background, ink: parseColor(text, this.roles.ink) });
      this.sceneKey = null;
    }
    this.legend();
  }

  /** The elements on stage, undecided atoms among them if there ever are any. */
  legend() {
    const { movie, look: { background: page } } = this;
    const seen = new Set();
    for (const i of this.shown()) for (const z of movie.crystals[i].numbers) seen.add(z);
    const entries = [...seen].sort((a, b) => a - b).map((z) => ({
      color: hexOf(visible(rgb(ELEMENTS.rows[z][2]), page)), text: z ? symbolOf(z) : "? not decided yet" }));
    const most = this.dom.root.classList.contains("narrow") ? 7 : 14;
    const more = entries.length > most + 1 ? entries.splice(most) : [];
    fillLegend(this.dom, entries);
    if (more.length) this.dom.legend.append(element("span", { class: "entry", title: more.map(({ text }) => text).join(", ") }, `and ${more.length} more`));
  }

  /** Fit the canvas to the space, or to the height that the page allots (see allotted() in clock.js). */
  measure(force = false) {
    const { movie, dom, view } = this;
    if (!movie || this.closed || this.failed) return;
    const width = dom.root.clientWidth;
    if (!width) return;
    const allotted = this.shapeUp(width);
    const count = this.shown().length;
    const around = dom.head.offsetHeight + dom.bar.offsetHeight;
    const rows = Math.ceil(count / Math.min(count, Math.max(1, Math.floor(width / 84))));
    const wanted = this.mount.height - around;
    const own = Math.max(220, width < NARROW ? Math.min(Math.max(wanted, rows * 112), width * (count > 4 ? 1.35 : 1.05)) : wanted);
    const left = allotted && Math.max(110, allotted.height - around);
    const height = !allotted ? own : allotted.cap ? Math.min(own, left) : left;
    const titled = movie.crystals.some((crystal) => crystal.title);
    const band = titled ? (dom.root.classList.contains("lecture") ? 30 : 22) : 0;
    const key = `${width} ${height} ${count} ${band}`;
    if (!force && key === this.sizeKey) return;
    dom.stage.style.height = `${height}px`;
    dom.root.style.setProperty("--menu-room", `${Math.max(160, height + dom.head.offsetHeight - 8)}px`);
    if (!view) {
      this.open();
      return;
    }
    if (key !== this.sizeKey) view.layOut(width, height, count, band);
    this.sizeKey = key;
    this.wake();
    this.draw();
  }

  draw() {
    const { movie, view, dom, options } = this;
    if (!movie || !view?.width || !this.look) return;
    const shown = this.shown();
    const key = `${movie.id} ${this.frame.toFixed(3)} ${shown} ${this.lit} ${JSON.stringify(options)} ${this.lookKey}`;
    if (key !== this.sceneKey) {
      this.sceneKey = key;
      const share = movie.frames > 1 ? this.frame / (movie.frames - 1) : 1;
      view.sizes = shown.map((i) => this.radii[i] * Math.cbrt(options.repeat[0] * options.repeat[1] * options.repeat[2]));
      if (!view.camera) view.fit(view.sizes[0]);
      const cells = shown.map((i) => cellAt(movie.crystals[i], share * (movie.crystals[i].frames - 1)));
      view.setScenes(cells.map((cell, k) => {
        const { groups } = movie.crystals[shown[k]];
        return { ...buildScene(cell, options.repeat, options), lit: groups && this.lit !== null ? groups.map((g) => g === this.lit) : null };
      }), options.repeat);
    }
    view.draw();
    this.placeLabels(shown);
    this.readOut();
    this.markDrawn("crystal");
  }

  /**
   * Radius (Å) of each crystal that the camera goes by: the finished one, or the first frame unless it is far larger.
   * It stays as it is while the same compositions are on stage, so that new samples never move the camera.
   */
  measureCrystals(before) {
    const kind = ({ crystals }) => JSON.stringify(crystals.map((crystal) => formulaOf(crystal.numbers.subarray(-crystal.n)).sort()));
    if (before && kind(before) === kind(this.movie)) return;
    this.radii = this.movie.crystals.map((crystal) => {
      const radius = (frame) => buildScene(cellAt(crystal, frame), [1, 1, 1], { bonds: false }).radius;
      const last = radius(crystal.frames - 1);
      return Math.max(last, Math.min(radius(0), 1.15 * last));
    });
  }

  /** Names of the cell vectors, element symbols, titles: crisp text over the picture. */
  placeLabels(shown) {
    const { view, dom, movie, options } = this;
    const texts = [];
    shown.forEach((i, k) => {
      const scene = view.scenes[k];
      const { x, y, w, h } = view.rect(k);
      if (movie.crystals[i].title) {
        texts.push({ kind: shown.length > 1 ? "title" : "title only", text: movie.crystals[i].title, x: x + w / 2, y: y + h + view.band / 2, width: w - 8 });
      }
      if (shown.length <= 4) {
        ["a", "b", "c"].forEach((name, m) => {
          const end = scene.ends[m];
          const out = scene.rows[m].map((v, n) => end[n] + (1.05 * v) / scene.lengths[m]);
          const spot = view.project(k, { x: out[0], y: out[1], z: out[2] });
          const kept = (value, low, size) => Math.min(Math.max(value, low + 12), low + size - 12);  // in its viewport, off the title
          texts.push({ kind: "axis", text: name, x: kept(spot.x, x, w), y: kept(spot.y, y, h) });
        });
      }
      const all = options.symbols && scene.atoms.length <= LABELS_MAX;
      for (const atom of scene.atoms) {
        if (atom.ghost || !(all || (!atom.number && scene.atoms.length <= LABELS_MAX && shown.length <= 4))) continue;
        const spot = view.project(k, atom);
        if (spot.scale * ballRadius(atom.number) < 5) continue;
        texts.push({ kind: "symbol", text: symbolOf(atom.number), x: spot.x, y: spot.y, z: -spot.depth });
      }
    });
    const { labels } = dom;
    while (labels.children.length < texts.length) labels.append(element("span"));
    while (labels.children.length > texts.length) labels.lastChild.remove();
    texts.forEach(({ kind, text, x, y, width }, n) => {
      const label = labels.children[n];
      if (label.className !== kind) label.className = kind;
      if (label.textContent !== text) label.textContent = text;
      label.style.transform = `translate(-50%, -50%) translate(${x.toFixed(width ? 0 : 1)}px, ${y.toFixed(width ? 0 : 1)}px)`;
      label.style.maxWidth = width ? `${width.toFixed(0)}px` : "";
    });
  }

  readOut() {
    const { dom, view: { scenes } } = this;
    this.note({
      atoms: scenes.reduce((sum, scene) => sum + scene.atoms.length, 0),
      bonds: scenes.reduce((sum, scene) => sum + scene.bonds.length, 0),
      lit: scenes.reduce((sum, scene) => sum + (scene.lit ? scene.atoms.filter((atom) => !atom.ghost && scene.lit[atom.site]).length : 0), 0),
      camera: JSON.stringify(this.view.getView().map((v) => Number(v.toFixed(5)))),
    });
    if (!this.readClock(this.frame)) return;
    dom.cell.hidden = !this.options.cell || scenes.length > 1;
    if (!dom.cell.hidden) {
      const { lengths, rows, volume } = scenes[0];
      const angles = cellAngles(rows).map((angle) => `${number(angle, 0)}\u00b0`).join(" ");
      const edges = ["a", "b", "c"].map((name, m) => `${name} ${number(lengths[m], 2)}`).join("  ");
      const words = `${edges} \u00c5\n${angles}\n${number(volume, 1)} \u00c5\u00b3`;
      if (dom.cell.textContent !== words) dom.cell.textContent = words;
    }
  }

  /** Write data-* attributes of the root, only those that changed. */
  note(values) {
    const { dataset } = this.dom.root;
    for (const [name, value] of Object.entries(values)) if (dataset[name] !== String(value)) dataset[name] = value;
  }

  /** Say what lies under the pointer. */
  hover(x, y) {
    const { view, dom } = this;
    const hit = view?.width && view.camera && x !== null ? view.pick(x, y) : null;
    dom.tip.hidden = !hit;
    dom.stage.classList.toggle("over", Boolean(hit));
    if (!hit) return;
    const { atom, p, k } = hit;
    const [symbol, name] = ELEMENTS.rows[atom.number];
    const bonds = view.scenes[k].bonds.filter((pair) => pair.includes(p)).length;
    const where = atom.frac.map((v) => number(v, 3)).join(", ");
    const { groups, group_names: names } = this.movie.crystals[this.shown()[k]];
    const group = groups ? `\n${names[groups[atom.site]]}` : "";
    dom.tip.textContent = `${symbol === "?" ? "" : `${symbol}, `}${name}${group}\n(${where})${atom.ghost ? "\nimage outside the cell" : bonds ? `\n${bonds} bond${bonds > 1 ? "s" : ""} drawn` : ""}`;
    const left = Math.min(view.width - 150, hit.spot.x + 14);
    dom.tip.style.transform = `translate(${Math.max(0, left).toFixed(0)}px, ${Math.max(0, hit.spot.y - 50).toFixed(0)}px)`;
  }

  canDraw() { return Boolean(this.movie && this.view); }

  /** While moving, drop to single resolution where double is too slow; come back at rest. */
  pace(now) {
    const moving = this.playing || this.dragging || this.grabbed;
    const gap = now - (this.paced || 0);
    this.paced = now;
    if (moving && gap < 300) this.slow = 0.8 * (this.slow ?? 16) + 0.2 * gap;
    if (moving && this.slow > 24) this.view?.setSharp(false);
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      if (this.closed || this.playing || this.dragging || !this.view || this.view.sharp) return;
      this.view.setSharp(true);
      this.draw();
    }, 220);
    return true;
  }

  end() { this.setPlaying(false); }

  sharply(make) {
    this.view.setSharp(true);
    this.draw();
    return make();
  }

  drawnCanvas() { return this.view.canvas; }

  wordsOnStage() { return [...this.dom.labels.children, ...(this.dom.cell.hidden ? [] : [this.dom.cell])]; }

  savePicture() {
    if (this.view) super.savePicture();
  }

  /** The crystals shown in words: formula, number of atoms, cell, shortest distance. */
  describe() {
    const { movie, dom } = this;
    const share = movie.frames > 1 ? this.frame / (movie.frames - 1) : 1;
    const words = this.shown().map((i) => {
      const crystal = movie.crystals[i];
      const cell = cellAt(crystal, share * (crystal.frames - 1));
      const { rows } = measureCell(cell.lattice);
      const formula = formulaOf(cell.numbers).map(([z, count]) => `${z ? symbolOf(z) : "undecided "}${count > 1 ? count : ""}`).join("");
      const lengths = ["a", "b", "c"].map((name, k) => `${name} ${number(norm(rows[k]), 2)}`).join(", ");
      const angles = cellAngles(rows).map((angle) => `${number(angle, 0)}\u00b0`).join(", ");
      const nearest = shortestDistance(cell, rows);
      return `${[crystal.title, formula].filter(Boolean).join(", ")}: ${cell.n} ${cell.n === 1 ? "atom" : "atoms"}; cell ${lengths} \u00c5; `
        + `angles ${angles}; shortest distance ${number(nearest, 2)} \u00c5.`;
    });
    return [movie.frames > 1 ? `${dom.time.textContent}.` : "", ...words].filter(Boolean).join(" ");
  }

  moment() { return { ...super.moment(), selected: this.selected }; }

  key(name) {
    if (name === "Escape" && this.dom.menu.hidden && this.selected !== null) { this.select(null, true); return true; }
    if (name === "Home") this.playing = false;
    return super.key(name);
  }

  dispose() {
    for (const timer of [this.rest, this.revival]) clearTimeout(timer);
    this.preview.close();
    this.view?.dispose();
    this.view = null;
  }
}

export default function (component) {
  return mountPlayer(component, CrystalPlayer, "crystal player");
}

// One crystal player: a clock, up to 16 crystals and the options its reader chose. Streamlit calls the default export
// on every change.

const HOLD_MS = 1100;                                         // rest on the last frame before a loop begins again
const LABELS_MAX = 90;                                        // more element symbols than this would hide the crystal
class CrystalPlayer {
  constructor(parent) {
    this.frame = 0;
    this.playing = false;
    this.speed = 1;
    this.selected = null;                                     // one of several crystals, shown alone
    this.chosen = {};                                         // only what the reader set; survives a new payload
    this.calls = 0;
    this.dom = buildFrame({
      toggle: () => this.setPlaying(!this.playing, true),
      step: (by) => this.step(by),
      loop: () => this.choose({ loop: !this.options.loop }),
      scrub: (frame) => { this.frame = frame; this.held = 0; this.wake(); },
      grab: () => { this.grabbed = true; },
      release: () => { this.grabbed = false; this.report(); this.wake(); },
      speed: (speed) => this.setSpeed(speed),
      menu: (open) => this.openMenu(open),
      repeat: (n) => this.choose({ repeat: [n, n, n] }),
      all: () => this.select(null, true),
      fit: () => this.fit(),
    });
    parent.append(this.dom.root);
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.listen();
  }

  listen() {
    this.stop = new AbortController();
    const { signal } = this.stop;
    const { root, stage } = this.dom;
    root.addEventListener("pointerdown", () => { touched = this; }, { signal, capture: true });
    root.addEventListener("focusin", () => { touched = this; }, { signal });
    document.addEventListener("pointerdown", (event) => {
      const path = event.composedPath();
      if (!path.includes(this.dom.bar)) this.openMenu(false);
      this.engaged = path.includes(stage);
    }, { signal });
    document.addEventListener("visibilitychange", () => this.wake(), { signal });
    this.sizes = new ResizeObserver(() => this.measure());
    this.sizes.observe(root);
    this.sight = new IntersectionObserver(([entry]) => { this.inSight = entry.isIntersecting; this.wake(); });
    this.sight.observe(root);
    this.inSight = true;
    this.lecture = new MutationObserver(() => { this.style(); this.measure(true); });
    this.lecture.observe(document.documentElement, { attributes: true, attributeFilter: ["data-lecture"] });
    handleGestures(this, stage, signal);
  }

  /** Take what Python sent. The same payload again changes nothing; a new one keeps camera, clock and choices. */
  load(component) {
    this.tell = component.setStateValue;
    const { mount, header, body } = readEnvelope(component.data);
    this.mount = mount;
    if (this.movie?.id !== header.id) {
      const before = this.movie;
      this.movie = decodeCrystals({ header, body });
      this.begin(before);
    }
    this.style();
    this.measure(true);
  }

  begin(before) {
    const { movie, dom } = this;
    const last = movie.frames - 1;
    this.digits = movie.frames > 1
      ? Math.min(5, Math.max(0, Math.ceil(-Math.log10(Math.abs(movie.times[last] - movie.times[0]) / last || 1) - 0.3))) : 0;
    if (before) this.frame = before.frames > 1 ? (this.frame / (before.frames - 1)) * last : last;
    else {
      this.frame = this.still.matches ? last : 0;
      this.playing = movie.autoplay && !this.still.matches && last > 0;
    }
    if (last === 0) this.playing = false;
    if (!this.playing) this.frame = Math.round(this.frame);
    this.held = 0;
    this.options = { loop: movie.loop, repeat: movie.supercell, bonds: movie.bonds, ghosts: true, cell: true, symbols: false, ...this.chosen };
    if (this.selected !== null && this.selected >= movie.crystals.length) this.selected = null;
    this.sceneKey = null;
    delete dom.root.dataset.frame;
    this.measureCrystals(before);
    dom.stage.setAttribute("aria-label", movie.alt);
    dom.root.setAttribute("aria-label", movie.alt);
    dom.scrub.max = last;
    for (const control of [dom.scrub, dom.play, dom.back, dom.next]) control.disabled = last === 0;
    dom.bar.classList.toggle("static", last === 0);
    dom.speed.value = String(this.speed);
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
    const camera = this.view?.camera ?? null;
    const view = new CrystalView(this.dom.stage, $3Dmol);
    view.camera = camera;
    view.canvas.addEventListener("webglcontextlost", () => {
      if (this.closed) return;
      view.canvas.remove();                                     // the browser took the context back: open another
      clearTimeout(this.revival);
      this.revival = setTimeout(() => { if (!this.closed) this.open(); }, 300);
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

  fit() {
    if (!this.view) return;
    this.view.fit(this.view.sizes[0]);
    this.wake();
  }

  /** Read theme and lecture mode off the page. */
  style() {
    if (!this.movie) return;
    const { root } = this.dom;
    const page = getComputedStyle(root);
    const background = parseColor(page.getPropertyValue("--st-background-color"), "#ffffff");
    const dark = 0.2126 * background[0] + 0.7152 * background[1] + 0.0722 * background[2] < 0.4;
    const lecture = document.documentElement.dataset.lecture === "1" || new URLSearchParams(location.search).get("mode") === "lecture";
    const look = JSON.stringify([background, dark, lecture, page.getPropertyValue("--st-text-color")]);
    if (look !== this.lookKey) {
      this.lookKey = look;
      this.roles = PALETTE[dark ? "dark" : "light"];
      this.page = background;
      root.classList.toggle("dark", dark);
      root.classList.toggle("lecture", lecture);
      for (const [role, color] of Object.entries(this.roles)) root.style.setProperty(`--role-${role}`, color);
      this.view?.setLook({ page: background, ink: parseColor(page.getPropertyValue("--st-text-color"), this.roles.ink) });
      this.sceneKey = null;
    }
    this.legend();
  }

  /** The elements on stage, undecided atoms among them if there ever are any. */
  legend() {
    const { movie, page } = this;
    const seen = new Set();
    for (const i of this.shown()) for (const z of movie.crystals[i].numbers) seen.add(z);
    const entries = [...seen].sort((a, b) => a - b).map((z) => ({
      color: hexOf(visible(rgb(ELEMENTS.rows[z][2]), page)), text: z ? symbolOf(z) : "? not decided yet" }));
    const most = this.dom.root.classList.contains("narrow") ? 7 : 14;
    const more = entries.length > most + 1 ? entries.splice(most) : [];
    fillLegend(this.dom, entries);
    if (more.length) this.dom.legend.append(element("span", { class: "entry", title: more.map(({ text }) => text).join(", ") }, `and ${more.length} more`));
  }

  /** Fit the canvas to the space. */
  measure(force = false) {
    const { movie, dom, view } = this;
    if (!movie || this.closed || this.failed) return;
    const width = dom.root.clientWidth;
    if (!width) return;
    dom.root.classList.toggle("narrow", width < 640);
    const count = this.shown().length;
    const around = dom.head.offsetHeight + dom.bar.offsetHeight;
    const rows = Math.ceil(count / Math.min(count, Math.max(1, Math.floor(width / 84))));
    const wanted = this.mount.height - around;
    const height = Math.max(220, width < 640 ? Math.min(Math.max(wanted, rows * 112), width * (count > 4 ? 1.35 : 1.05)) : wanted);
    const titled = movie.crystals.some((crystal) => crystal.title);
    const band = titled ? (dom.root.classList.contains("lecture") ? 30 : 22) : 0;
    const key = `${width} ${height} ${count} ${band}`;
    if (!force && key === this.sizeKey) return;
    dom.stage.style.height = `${height}px`;
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
    if (!movie || !view?.width || !this.page) return;
    const shown = this.shown();
    const key = `${movie.id} ${this.frame.toFixed(3)} ${shown} ${JSON.stringify(options)} ${this.lookKey}`;
    if (key !== this.sceneKey) {
      this.sceneKey = key;
      const share = movie.frames > 1 ? this.frame / (movie.frames - 1) : 1;
      view.sizes = shown.map((i) => this.radii[i] * Math.cbrt(options.repeat[0] * options.repeat[1] * options.repeat[2]));
      if (!view.camera) view.fit(view.sizes[0]);
      const cells = shown.map((i) => cellAt(movie.crystals[i], share * (movie.crystals[i].frames - 1)));
      view.setScenes(cells.map((cell) => buildScene(cell, options.repeat, options)), options.repeat);
    }
    view.draw();
    this.placeLabels(shown);
    this.readOut();
    if (dom.root.dataset.drawnPayload !== movie.id) {
      dom.root.dataset.drawnPayload = movie.id;
      performance.mark(`crystal:drawn:${movie.id}`);
    }
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
          texts.push({ kind: "axis", text: name, x: spot.x, y: spot.y });
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
    const { movie, dom, view, frame } = this;
    const now = Math.min(movie.frames - 1, Math.floor(frame));
    const next = Math.min(now + 1, movie.frames - 1);
    const value = movie.times[now] + (frame - now) * (movie.times[next] - movie.times[now]);
    const text = movie.frames > 1 ? `${movie.time} = ${number(value, this.digits)}` : "";
    const whole = Math.round(frame);
    const { scenes } = view;
    const changed = this.note({
      frame: whole, playing: this.playing,
      atoms: scenes.reduce((sum, scene) => sum + scene.atoms.length, 0),
      bonds: scenes.reduce((sum, scene) => sum + scene.bonds.length, 0),
      camera: JSON.stringify(view.getView().map((v) => Number(v.toFixed(5)))),
    });
    if (changed.has("frame")) {
      if (!this.grabbed) dom.scrub.value = whole;
      dom.scrub.style.setProperty("--part", movie.frames > 1 ? whole / (movie.frames - 1) : 1);
      dom.scrub.setAttribute("aria-valuetext", `${text}, frame ${whole + 1} of ${movie.frames}`);
    }
    if (changed.has("playing")) setPlaying(dom, this.playing);
    const clock = performance.now();
    if (this.playing && clock - (this.said || 0) < 90) return;    // numbers nobody could read faster
    this.said = clock;
    if (dom.time.textContent !== text) dom.time.textContent = text;
    dom.cell.hidden = !this.options.cell || scenes.length > 1;
    if (!dom.cell.hidden) {
      const { lengths, rows, volume } = scenes[0];
      const angles = cellAngles(rows).map((angle) => `${number(angle, 0)}\u00b0`).join(" ");
      const edges = ["a", "b", "c"].map((name, m) => `${name} ${number(lengths[m], 2)}`).join("  ");
      const words = `${edges} \u00c5\n${angles}\n${number(volume, 1)} \u00c5\u00b3`;
      if (dom.cell.textContent !== words) dom.cell.textContent = words;
    }
  }

  /** Write data-* attributes of the root, only those that changed; returns their names. */
  note(values) {
    const { dataset } = this.dom.root;
    const changed = new Set();
    for (const [name, value] of Object.entries(values)) {
      if (dataset[name] === String(value)) continue;
      dataset[name] = value;
      changed.add(name);
    }
    return changed;
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
    dom.tip.textContent = `${symbol === "?" ? "" : `${symbol}, `}${name}\n(${where})${atom.ghost ? "\nimage outside the cell" : bonds ? `\n${bonds} bond${bonds > 1 ? "s" : ""} drawn` : ""}`;
    const left = Math.min(view.width - 150, hit.spot.x + 14);
    dom.tip.style.transform = `translate(${Math.max(0, left).toFixed(0)}px, ${Math.max(0, hit.spot.y - 50).toFixed(0)}px)`;
  }

  /** Ask for a frame; the loop runs only while something moves and is seen. */
  wake() {
    if (!this.request && !this.closed && this.movie && this.view) {
      this.before = null;
      this.request = requestAnimationFrame((now) => this.tick(now));
    }
  }

  tick(now) {
    this.request = 0;
    if (this.closed || document.hidden || !this.inSight) return;
    const dt = this.before ? Math.min(100, now - this.before) : 0;
    this.before = now;
    if (this.playing && !this.grabbed) this.advance(dt);
    this.pace(now);
    this.draw();
    if (this.playing && this.movie.frames > 1) {
      this.count(now);
      this.request = requestAnimationFrame((then) => this.tick(then));
    } else this.counted = null;
  }

  /** While moving, drop to single resolution where double is too slow; come back at rest. */
  pace(now) {
    const moving = this.playing || this.dragging || this.grabbed;
    const gap = now - (this.paced || 0);
    this.paced = now;
    if (moving && gap < 300) this.slow = 0.8 * (this.slow ?? 16) + 0.2 * gap;
    if (moving && this.slow > 24) this.view.setSharp(false);
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      if (this.closed || this.playing || this.dragging || !this.view || this.view.sharp) return;
      this.view.setSharp(true);
      this.draw();
    }, 220);
  }

  advance(dt) {
    const last = this.movie.frames - 1;
    if (this.frame >= last) {
      this.held = (this.held || 0) + dt;
      if (!this.options.loop) this.setPlaying(false);
      else if (this.held > HOLD_MS) { this.frame = 0; this.held = 0; }
      return;
    }
    this.frame = Math.min(last, this.frame + (dt / 1000) * this.movie.fps * this.speed);
  }

  count(now) {
    if (!this.counted) this.counted = { from: now, frames: 0 };
    else if (++this.counted.frames && now - this.counted.from >= 500) {
      this.dom.root.dataset.fps = ((1000 * this.counted.frames) / (now - this.counted.from)).toFixed(1);
      this.counted = { from: now, frames: 0 };
    }
  }

  setPlaying(playing, byReader = false) {
    if (!this.movie || this.movie.frames < 2 || this.failed) return;
    if (playing && this.frame >= this.movie.frames - 1) { this.frame = 0; this.held = 0; }
    this.playing = playing;
    if (!playing) this.frame = Math.round(this.frame);
    if (!playing && byReader) this.report();
    this.wake();
  }

  step(by) {
    if (!this.movie) return;
    this.playing = false;
    this.goTo(by > 0 ? Math.floor(this.frame + 1e-6) + by : Math.ceil(this.frame - 1e-6) + by);
  }

  goTo(frame) {
    this.frame = Math.min(this.movie.frames - 1, Math.max(0, frame));
    this.held = 0;
    this.wake();
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.report(), 400);         // one report for a burst of steps
  }

  setSpeed(speed) {
    this.speed = speed;
    this.dom.speed.value = String(speed);
  }

  openMenu(open) {
    if (this.dom.menu.hidden === !open) return;
    this.dom.menu.hidden = !open;
    this.dom.view.setAttribute("aria-expanded", String(open));
  }

  report() {
    if (this.closed || !this.mount.report) return;
    const moment = { frame: Math.round(this.frame), selected: this.selected, playing: this.playing, payload: this.movie.id };
    const text = JSON.stringify(moment);
    if (text === this.reported) return;
    this.reported = text;
    this.tell("moment", moment);
  }

  /** One key of the keyboard; true when it meant something. */
  key(name) {
    const last = this.movie.frames - 1;
    if (name === "Escape" && !this.dom.menu.hidden) { this.openMenu(false); this.dom.view.focus(); return true; }
    if (name === "Escape" && this.selected !== null) { this.select(null, true); return true; }
    if (last === 0) return false;
    const faster = (by) => this.setSpeed(SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, SPEEDS.indexOf(this.speed) + by))]);
    const keys = {
      " ": () => this.setPlaying(!this.playing, true), ArrowRight: () => this.step(1), ArrowLeft: () => this.step(-1),
      Home: () => { this.playing = false; this.goTo(0); }, End: () => { this.playing = false; this.goTo(last); },
      ",": () => faster(-1), ".": () => faster(1),
    };
    if (!Object.hasOwn(keys, name)) return false;
    keys[name]();
    return true;
  }

  seen() {
    const box = this.dom.root.getBoundingClientRect();
    return this.dom.root.isConnected && box.width > 0 && box.bottom > 0 && box.top < window.innerHeight;
  }

  close() {
    this.closed = true;
    cancelAnimationFrame(this.request);
    for (const timer of [this.soon, this.rest, this.revival]) clearTimeout(timer);
    this.stop.abort();
    this.sizes.disconnect();
    this.sight.disconnect();
    this.lecture.disconnect();
    this.view?.dispose();
    this.view = null;
    this.dom.root.remove();
    players.delete(this);
    if (touched === this) touched = null;
    if (!players.size) document.removeEventListener("keydown", onKey);
  }
}

const mounted = new WeakMap();                                // parent element -> its player

export default function (component) {
  const { parentElement } = component;
  let entry = mounted.get(parentElement);
  if (!entry) {
    entry = { player: new CrystalPlayer(parentElement), calls: 0 };
    mounted.set(parentElement, entry);
    if (!players.size) document.addEventListener("keydown", onKey);
    players.add(entry.player);
  }
  const call = ++entry.calls;
  try {
    entry.player.load(component);
  } catch (error) {
    entry.player.dom.notice.textContent = `The crystal player could not read its data: ${error.message}`;
    entry.player.dom.notice.hidden = false;
    console.warn("crystal player:", error);
  }
  return () => {
    if (call !== entry.calls || mounted.get(parentElement) !== entry) return;      // a later call took over
    mounted.delete(parentElement);
    entry.player.close();
  };
}

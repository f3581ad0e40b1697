// One player: a clock, a movie and the options its reader chose. Streamlit calls the default export on every change.

const MARKS = { light: ["#332288", "#CC6677", "#117733", "#997700", "#44AA99", "#882255", "#4477AA", "#6B7280"],
                dark: ["#8FA8FF", "#F08C9B", "#7BD389", "#E5C45A", "#5FD0C5", "#E28BC8", "#7EC8F2", "#B6BEC9"] };
const RAMP = ["#0D0887", "#5B02A3", "#9A179B", "#CB4678", "#EB7852", "#FBB32F", "#F0F921"];      // plasma
const HOLD_MS = 1100;                                         // rest on the last frame before a loop begins again
const players = new Set();
let touched = null;

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255);
const mixed = (a, b, part) => a.map((value, i) => value + part * (b[i] - value));
const css = (color, alpha = 1) => `rgba(${color.map((v) => Math.round(255 * v)).join(",")},${alpha})`;

/** Any CSS colour -> [r, g, b] in 0..1, by asking the browser. */
function parseColor(text, fallback) {
  const ctx = document.createElement("canvas").getContext("2d");
  ctx.fillStyle = fallback;
  ctx.fillStyle = (text || "").trim() || fallback;
  const found = ctx.fillStyle;
  return found.startsWith("#") ? rgb(found) : found.match(/[\d.]+/g).slice(0, 3).map((v) => v / 255);
}

function rampColor(part, dark) {
  const at = (dark ? 0.3 + 0.7 * part : 0.8 * part) * (RAMP.length - 1);
  const i = Math.min(RAMP.length - 2, Math.floor(at));
  return mixed(rgb(RAMP[i]), rgb(RAMP[i + 1]), at - i);
}

class Player {
  constructor(parent) {
    this.frame = 0;
    this.playing = false;
    this.speed = 1;
    this.chosen = {};                                         // only what the reader set; survives a new payload
    this.turn = 0;
    this.parent = parent;
    this.dom = buildFrame({
      toggle: () => this.setPlaying(!this.playing, true),
      step: (by) => this.step(by),
      loop: () => this.choose({ loop: !this.options.loop }),
      scrub: (frame) => { this.frame = frame; this.held = 0; this.wake(); },
      grab: () => { this.grabbed = true; },
      release: () => { this.grabbed = false; this.report(); this.wake(); },
      speed: (speed) => this.setSpeed(speed),
      menu: (open) => this.openMenu(open),
    });
    parent.append(this.dom.root);
    this.startRenderer();
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.listen();
  }

  startRenderer() {
    const { points, notice } = this.dom;
    try {
      this.renderer = new GlRenderer(points);
      points.addEventListener("webglcontextlost", (event) => { event.preventDefault(); this.lost = true; });
      points.addEventListener("webglcontextrestored", () => {
        this.lost = false;
        if (this.closed) return;
        this.renderer.restore();
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

  listen() {
    const stop = new AbortController();
    this.stop = stop;
    const { root } = this.dom;
    root.addEventListener("pointerdown", () => { touched = this; }, { signal: stop.signal, capture: true });
    root.addEventListener("focusin", () => { touched = this; }, { signal: stop.signal });
    document.addEventListener("pointerdown", (event) => {
      if (!event.composedPath().includes(this.dom.bar)) this.openMenu(false);
    }, { signal: stop.signal });
    document.addEventListener("visibilitychange", () => this.wake(), { signal: stop.signal });
    this.sizes = new ResizeObserver(() => this.measure());
    this.sizes.observe(root);
    this.sight = new IntersectionObserver(([entry]) => { this.inSight = entry.isIntersecting; this.wake(); });
    this.sight.observe(root);
    this.inSight = true;
    this.lecture = new MutationObserver(() => { this.style(); this.measure(true); });
    this.lecture.observe(document.documentElement, { attributes: true, attributeFilter: ["data-lecture"] });
  }

  /** Take what Python sent. The same payload again changes nothing; a new one keeps clock, speed and choices. */
  async load(component) {
    this.tell = component.setStateValue;
    const turn = ++this.turn;
    const envelope = readEnvelope(component.data);
    this.mount = envelope.mount;
    if (this.movie?.id === envelope.header.id) {
      this.style();
      this.measure();
      return;
    }
    const movie = await decodeMovie(envelope);
    if (turn !== this.turn || this.closed) return;            // a newer payload overtook this one
    const before = this.movie;
    this.movie = movie;
    const last = movie.frames - 1;
    if (before) {
      this.frame = before.frames > 1 ? (this.frame / (before.frames - 1)) * last : last;
      this.held = 0;
    } else {
      this.options = {};
      const still = this.still.matches || this.renderer.name === "2d";
      this.frame = still ? last : 0;
      this.playing = movie.autoplay && !still && last > 0;
    }
    if (last === 0) this.playing = false;
    if (!this.playing) this.frame = Math.round(this.frame);
    this.renderer.setMovie(movie);
    this.dom.stage.setAttribute("aria-label", movie.alt);
    this.dom.root.setAttribute("aria-label", movie.alt);
    this.dom.scrub.max = last;
    for (const control of [this.dom.scrub, this.dom.play, this.dom.back, this.dom.next]) control.disabled = last === 0;
    const span = Math.abs(movie.clock[last] - movie.clock[0]);
    this.digits = Math.min(5, Math.max(0, Math.ceil(-Math.log10(span / Math.max(1, last) || 1) - 0.3)));
    this.dom.speed.value = String(this.speed);
    this.settle();
    this.measure(true);
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
    this.choices = { colors, arrows: some((p) => p.arrows && p.arrow_role === "score") ? "Score arrows" : "Force arrows",
      has: { trails: gl && !movie.flat && movie.frames > 1, background: gl && some((p) => p.density), arrows: gl && some((p) => p.arrows), strips: true } };
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
    const { root } = this.dom;
    const page = getComputedStyle(root);
    const background = parseColor(page.getPropertyValue("--st-background-color"), "#ffffff");
    const dark = 0.2126 * background[0] + 0.7152 * background[1] + 0.0722 * background[2] < 0.4;
    const lecture = document.documentElement.dataset.lecture === "1" || new URLSearchParams(location.search).get("mode") === "lecture";
    const look = JSON.stringify([background, dark, lecture, page.getPropertyValue("--st-font"), page.getPropertyValue("--st-text-color")]);
    if (look !== this.lookKey) {
      this.lookKey = look;
      this.roles = PALETTE[dark ? "dark" : "light"];
      this.dark = dark;
      this.type = lecture ? 18 : 12.5;
      this.big = lecture ? 1.6 : 1;
      this.font = page.getPropertyValue("--st-font") || "sans-serif";
      root.classList.toggle("dark", dark);
      root.classList.toggle("lecture", lecture);
      for (const [role, color] of Object.entries(this.roles)) root.style.setProperty(`--role-${role}`, color);
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
      const by = this.options.color;
      if (by === "label" && panel.labels) {
        indices = panel.labels;
        for (let k = 0; k < 256; k++) put(k, rgb(this.mark(k)));
      } else if ((by === "value" && panel.values) || (by === "start" && panel.starts)) {
        indices = by === "value" ? panel.values : panel.starts;
        for (let k = 0; k < 256; k++) put(k, rampColor(k / 255, this.dark));
      } else put(0, rgb(this.roles[panel.role]));
      this.renderer.setColors(i, { indices, ramp });
    });
  }

  mark(k) {
    const marks = MARKS[this.dark ? "dark" : "light"];
    return marks[k % marks.length];
  }

  legend() {
    const { movie, options, choices, roles } = this;
    const entries = new Map();
    const add = (kind, color, text) => entries.set(kind + text, { kind, color, text });
    const ramp = `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map((p) => css(rampColor(p, this.dark))).join(",")})`;
    const number = (v) => (Math.abs(v) >= 1e4 || (v && Math.abs(v) < 1e-2) ? v.toExponential(1) : Number(v.toPrecision(3)).toString());
    for (const panel of movie.panels) {
      const who = panel.name || panel.role;
      if (options.color === "label" && panel.labels) {
        const seen = [...new Set(panel.labels)].sort((a, b) => a - b).slice(0, 8);
        for (const k of seen) add("dot", this.mark(k), panel.label_names[k] ?? `${who} ${k + 1}`);
      } else if (options.color === "value" && panel.values) {
        add("ramp", ramp, `${panel.value_label} ${number(panel.value_range[0])} to ${number(panel.value_range[1])}`);
      } else if (options.color === "start" && panel.starts) {
        add("ramp", ramp, `start, ${movie.flat ? "low to high" : "left to right"}`);
      } else add("dot", roles[panel.role], who);
      if (options.strips && !entries.has("dot" + who)) add("bars", roles[panel.role], `${who}, histogram`);
      if (choices.has.background && panel.density && options.background) add("band", roles.exact, movie.flat ? "exact density over time" : "exact density");
      if (choices.has.arrows && panel.arrows && options.arrows) add("arrow", roles.force, panel.arrow_role);
      if (options.strips && Object.keys(panel.exact).length) add("line", roles.exact, movie.flat ? "exact density now" : "exact marginal");
    }
    fillLegend(this.dom, [...entries.values()]);
  }

  /** Fit canvases to the space. A new payload never changes the height while width and panel count stay. */
  measure(force = false) {
    const { movie, dom } = this;
    if (!movie || this.closed) return;
    const width = dom.root.clientWidth;
    if (!width) return;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const narrow = width < 640;
    dom.root.classList.toggle("narrow", narrow);
    const shape = `${width} ${movie.panels.length} ${movie.mode} ${this.mount.height} ${this.big}`;
    if (shape !== this.shape) dom.legend.style.minHeight = "";
    const legend = dom.legend.offsetHeight;                   // grows with its entries, never shrinks again
    dom.legend.style.minHeight = `${legend}px`;
    const around = legend + dom.bar.offsetHeight + (dom.notice.hidden ? 0 : dom.notice.offsetHeight);
    const { rows } = gridShape(movie, width);
    const room = narrow ? narrowHeight(movie, width, this.type) : Math.max(220, this.mount.height * (rows > 1 ? 1.6 : 1) - around);
    const height = usedHeight(movie, width, room, this.type, this.options.strips);
    const key = `${shape} ${height} ${ratio}`;
    this.shape = shape;
    if (!force && key === this.sizeKey && !this.dirtyAxes) return;
    this.sizeKey = key;
    dom.stage.style.height = `${height}px`;
    this.ratio = ratio;
    this.places = layOut(movie, width, height, this.type, this.options.strips);
    const box = boundingBox(this.places);
    for (const [name, at] of [["left", box.x], ["top", box.y], ["width", box.w], ["height", box.h]]) dom.points.style[name] = `${at}px`;
    this.renderer.resize(Math.round(box.w * ratio), Math.round(box.h * ratio));
    const place = (rect) => glRect(rect, ratio, box, dom.points.height);
    this.rects = this.places.map(({ plot }) => place(plot));
    this.strips = this.places.map((at) => stripsOf(movie, at).map(([rect, axis, upright]) => [place(rect), axis, upright]));
    drawAxes(dom.axes, movie, this.places, { ...this.roles, type: this.type });
    dom.notes.replaceChildren(...this.places.map(({ plot }) => {
      const note = element("div", { class: "note", hidden: true });
      Object.assign(note.style, { left: `${plot.x + 5}px`, top: `${plot.y + 5}px` });
      return note;
    }));
    this.dirtyAxes = false;
    this.stale = true;
    this.draw();
    this.wake();
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
      colors: { exact: rgb(roles.exact), force: rgb(roles.force), dark: this.dark, bar: this.dark ? 0.6 : 0.5,
        roles: movie.panels.map((panel) => rgb(roles[panel.role])) },
      size: (n) => this.pointSize(n), rim: (n) => [...rgb(roles.background), n <= 400 ? 0.75 : 0],
    });
    movie.panels.forEach((panel, i) => {
      const note = dom.notes.children[i];
      const text = missingNote(movie, panel, frame);
      if (note.textContent !== text) note.textContent = text;
      note.hidden = !text;
    });
    this.readOut(frame);
    this.drawnFrame = frame;
    if (dom.root.dataset.drawnPayload !== movie.id) {
      dom.root.dataset.drawnPayload = movie.id;
      performance.mark(`player:drawn:${movie.id}`);
    }
  }

  /** Clock in words and on the time bar; while it plays, words ten times and the bar thirty times a second. */
  readOut(frame) {
    const { movie, dom } = this;
    const { dataset } = dom.root;
    const whole = Math.round(frame);
    dataset.frame = whole;
    if (dataset.playing !== String(this.playing)) {
      dataset.playing = this.playing;
      setPlaying(dom, this.playing);
    }
    const now = performance.now();
    const rest = !this.playing || whole === 0 || whole === movie.frames - 1;
    if (rest || !(now - this.barAt < 30)) {
      this.barAt = now;
      if (!this.grabbed) dom.scrub.value = whole;
      dom.scrub.style.setProperty("--part", movie.frames > 1 ? frame / (movie.frames - 1) : 1);
    }
    if (!rest && now - this.saidAt < 95) return;
    this.saidAt = now;
    const at = Math.floor(frame);
    const next = Math.min(at + 1, movie.frames - 1);
    const value = movie.clock[at] + (frame - at) * (movie.clock[next] - movie.clock[at]);
    const text = `${movie.time} = ${value.toFixed(this.digits).replace("-", "\u2212")}`;
    if (dom.time.textContent === text) return;
    dom.time.textContent = text;
    dom.scrub.setAttribute("aria-valuetext", `${text}, frame ${whole + 1} of ${movie.frames}`);
  }

  /** Ask for a frame; the loop runs only while something moves and is seen. */
  wake() {
    this.stale = true;
    if (!this.request && !this.closed && this.movie) {
      this.before = null;
      this.request = requestAnimationFrame((now) => this.tick(now));
    }
  }

  tick(now) {
    this.request = 0;
    if (this.closed || document.hidden || !this.inSight) return;
    const { movie } = this;
    const dt = this.before ? Math.min(100, now - this.before) : 0;
    this.before = now;
    if (this.playing && !this.grabbed) this.advance(dt);
    if ((this.stale || this.playing) && !this.yields(now)) {
      this.stale = false;
      this.drawnAt = now;
      this.draw();
      this.count(now);
    }
    if ((this.playing && movie.frames > 1) || this.stale) this.request = requestAnimationFrame((then) => this.tick(then));
    else this.counted = null;
  }

  /** Drawn by the processor, on a machine that also computes the new data: step back while it begins to do so. */
  yields(now) {
    if (!this.renderer.software) return false;
    const busy = document.querySelector("[data-test-script-state='running']") !== null;
    if (!busy) this.busySince = null;
    else this.busySince ??= now;
    return busy && now - this.busySince < 600 && now - this.drawnAt < 120;
  }

  advance(dt) {
    const last = this.movie.frames - 1;
    if (this.frame >= last) {
      this.held = (this.held || 0) + dt;
      if (!this.options.loop) this.setPlaying(false, true);
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
    if (!this.movie || this.movie.frames < 2) return;
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
    const moment = { frame: Math.round(this.frame), playing: this.playing, payload: this.movie.id };
    const text = JSON.stringify(moment);
    if (text === this.reported) return;
    this.reported = text;
    this.tell("moment", moment);
  }

  /** One key of the keyboard; true when it meant something. */
  key(name) {
    const last = this.movie.frames - 1;
    const faster = (by) => this.setSpeed(SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, SPEEDS.indexOf(this.speed) + by))]);
    const keys = {
      " ": () => this.setPlaying(!this.playing, true), ArrowRight: () => this.step(1), ArrowLeft: () => this.step(-1),
      Home: () => this.goTo(0), End: () => { this.playing = false; this.goTo(last); }, ",": () => faster(-1), ".": () => faster(1),
    };
    if (name === "Escape" && !this.dom.menu.hidden) { this.openMenu(false); this.dom.view.focus(); return true; }
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
    clearTimeout(this.soon);
    this.stop.abort();
    this.sizes.disconnect();
    this.sight.disconnect();
    this.lecture.disconnect();
    this.renderer.dispose();
    this.dom.root.remove();
    players.delete(this);
    if (touched === this) touched = null;
    if (!players.size) document.removeEventListener("keydown", onKey);
  }
}

const WRITING = "input, textarea, select, [contenteditable], [role=slider], [role=textbox], [role=combobox], [role=spinbutton], "
  + "[role=listbox], [role=option], [role=menu], [role=tab], [role=radio], [role=grid]";
const PRESSING = "button, a[href], summary, [role=button], [role=checkbox], [role=switch]";

/** Keys work wherever the focus is, unless it is on something that uses them itself. */
function onKey(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const focus = event.composedPath()[0];
  if (focus instanceof Element && event.key !== "Escape") {
    if (focus.closest(WRITING)) return;
    if (event.key === " " && focus.closest(PRESSING)) return;
  }
  const inOrder = [...players].filter((p) => p.movie && p.seen())
    .sort((a, b) => a.dom.root.getBoundingClientRect().top - b.dom.root.getBoundingClientRect().top);
  const target = inOrder.includes(touched) ? touched : inOrder[0];
  if (target?.key(event.key)) event.preventDefault();
}

const mounted = new WeakMap();                                // parent element -> its player

export default function (component) {
  const { parentElement } = component;
  let entry = mounted.get(parentElement);
  if (!entry) {
    entry = { player: new Player(parentElement), calls: 0 };
    mounted.set(parentElement, entry);
    if (!players.size) document.addEventListener("keydown", onKey);
    players.add(entry.player);
  }
  const call = ++entry.calls;
  entry.player.load(component).catch((error) => {
    entry.player.dom.notice.textContent = `The player could not read its data: ${error.message}`;
    entry.player.dom.notice.hidden = false;
    console.warn("particle player:", error);
  });
  return () => {
    if (call !== entry.calls || mounted.get(parentElement) !== entry) return;      // a later call took over
    mounted.delete(parentElement);
    entry.player.close();
  };
}

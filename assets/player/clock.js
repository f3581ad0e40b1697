// What all players are: a clock with its control bar, keys, reports to Python and place on the page. Pictures are drawn
// by the classes that extend Player; they give build(act) -> dom, load, style, measure, draw and dispose.

const NARROW = 640;                                           // pixels of width from which a player has room beside the picture
const HOLD_MS = 1100;                                         // rest on the last frame before a loop begins again

class Player {
  constructor(parent) {
    this.frame = 0;
    this.playing = false;
    this.speed = 1;
    this.chosen = {};                                         // only what the reader set; survives a new payload
    this.dom = this.build({
      toggle: () => this.setPlaying(!this.playing, true),
      step: (by) => this.step(by),
      loop: () => this.choose({ loop: !this.options.loop }),
      scrub: (frame) => { this.frame = frame; this.held = 0; this.wake(); },
      grab: () => { this.grabbed = true; this.resting = false; },
      release: () => { this.grabbed = false; this.report(); this.wake(); },
      speed: (speed) => this.setSpeed(speed),
      menu: (open) => this.openMenu(open),
      full: () => this.toggleFull(),
    });
    this.dom.root.append(this.dom.now);
    this.dom.saves.append(...this.saves().map(([label, save]) =>
      element("button", { type: "button", class: "save", onclick: () => { this.openMenu(false); save(); } }, label)));
    this.gauge = element("div", { class: "gauge", "aria-hidden": "true" });
    this.dom.root.append(this.gauge);
    parent.append(this.dom.root);
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.listen();
  }

  listen() {
    this.stop = new AbortController();
    const { signal } = this.stop;
    const { root, bar } = this.dom;
    const touch = () => { keyboard.touched = this; };
    root.addEventListener("pointerdown", touch, { signal, capture: true });
    root.addEventListener("focusin", touch, { signal });
    document.addEventListener("pointerdown", (event) => { if (!event.composedPath().includes(bar)) this.openMenu(false); }, { signal });
    document.addEventListener("visibilitychange", () => this.wake(), { signal });
    document.addEventListener("fullscreenchange", () => this.fitScreen(), { signal });
    this.sizes = new ResizeObserver(() => this.measure());
    this.sizes.observe(root);
    this.sizes.observe(this.gauge);
    this.sight = new IntersectionObserver(([entry]) => { this.inSight = entry.isIntersecting; this.wake(); });
    this.sight.observe(root);
    this.inSight = true;
    this.lecture = new MutationObserver((changes) => {
      this.rise();
      if (changes.some(({ attributeName }) => attributeName === "data-lecture")) { this.style(); this.measure(true); }
    });
    this.lecture.observe(document.documentElement, { attributes: true, attributeFilter: ["data-lecture", "data-play"] });
  }

  /** Is the page still asking its reader something before anything moves? It then names itself in `rest`, and later in data-play. */
  asks() { return Boolean(this.mount.rest) && document.documentElement.dataset.play !== this.mount.rest; }

  /** The question of the page has been answered: begin, unless the reader has taken the clock in hand. */
  rise() {
    if (!this.resting || this.asks()) return;
    this.resting = false;
    this.setPlaying(true);
  }

  /** Set the clock to a movie: the first begins by itself unless `still` or asked to rest; a later one keeps clock, speed and play. */
  begin(movie, still) {
    this.endFilm(true);
    const { dom, movie: before } = this;
    const last = movie.frames - 1;
    this.movie = movie;
    this.held = 0;
    if (before) this.frame = before.frames > 1 ? (this.frame / (before.frames - 1)) * last : last;
    else {
      this.frame = still ? last : 0;
      this.playing = movie.autoplay && !still && !this.asks();
      this.resting = movie.autoplay && !still && !this.playing;
    }
    if (last === 0) this.playing = false;
    if (!this.playing) this.frame = Math.round(this.frame);
    const span = Math.abs(movie.clock[last] - movie.clock[0]);
    const fixed = (String(Number(movie.clock[0].toPrecision(3))).split(".")[1] ?? "").length;      // a clock that stands shows what it stands at
    this.digits = Math.min(5, span ? Math.max(0, Math.ceil(-Math.log10(span / Math.max(1, last)) - 0.3)) : fixed);
    for (const part of [dom.stage, dom.root]) part.setAttribute("aria-label", movie.alt);
    dom.scrub.max = last;
    for (const control of [dom.scrub, dom.play, dom.back, dom.next]) control.disabled = last === 0;
    dom.speed.value = String(this.speed);
  }

  /** Theme and lecture mode of the page, put on the root; true when they changed. */
  readTheme() {
    const { root } = this.dom;
    const look = readLook(root);
    const key = JSON.stringify(look);
    if (key === this.lookKey) return false;
    this.lookKey = key;
    this.look = look;
    this.roles = PALETTE[look.dark ? "dark" : "light"];
    root.classList.toggle("dark", look.dark);
    root.classList.toggle("lecture", look.lecture);
    for (const [role, color] of Object.entries(this.roles)) root.style.setProperty(`--role-${role}`, color);
    return true;
  }

  /**
   * The height in CSS pixels that the page allots to the whole player, legend and bar included: {height, cap}; null where the mount's own
   * height counts. The page says it by the CSS variable --n2c-stage-height (any CSS length, on the player's place or anything around it,
   * documentElement too). In lecture mode on a wide screen a player mounted with "fill" takes exactly this height, one mounted with
   * "always" everywhere; any other narrow player (cap) is never higher. Narrow ones outside lecture mode put seldom controls away (low).
   * The gauge is as high as the variable says and is watched, so measure() follows each change of it.
   */
  allotted(width) {
    if (this.full) return { height: this.dom.root.clientHeight, cap: false };
    const height = this.gauge.offsetHeight;
    if (!height) return null;
    if (this.mount.fill && this.look.lecture) return { height, cap: false };
    if (this.mount.fill === "always") return { height, cap: false, low: width < NARROW };
    return width < NARROW ? { height, cap: true, low: true } : null;
  }

  /** Classes of the root that follow from its size, before anything in it is measured. Returns what the page allots. */
  shapeUp(width) {
    const { root } = this.dom;
    const allotted = this.allotted(width);
    const low = Boolean(allotted?.low);
    root.classList.toggle("narrow", width < NARROW);
    root.classList.toggle("low", low);
    arrangeBar(this.dom, low);
    return allotted;
  }

  /** What takes the whole screen: the page's stage with all that is laid over it, else the player alone. */
  fullArea() {
    const area = document.querySelector(".st-key-n2c_stage_area");
    const { host } = this.dom.root.getRootNode();
    return area?.contains(host ?? this.dom.root) ? area : this.dom.root;
  }

  /** Full screen on or off; says so in words where the browser refuses. */
  async toggleFull() {
    const area = this.fullArea();
    try {
      if (area.matches(":fullscreen")) await document.exitFullscreen();
      else await area.requestFullscreen();
    } catch {
      this.tellReader("This browser refuses full screen here.");
    }
  }

  /** The browser went to full screen or came back. */
  fitScreen() {
    const area = this.fullArea();
    const full = area.matches(":fullscreen");
    if (full === Boolean(this.full)) return;
    this.full = full;
    this.dom.root.classList.toggle("full", full);
    this.dom.full.setAttribute("aria-pressed", String(full));
    if (this.movie) { this.style(); this.measure(true); }
  }

  /** A sentence over the stage for some seconds. */
  tellReader(words, ms = 6000) {
    const { notice } = this.dom;
    clearTimeout(this.told);
    notice.textContent = words;
    notice.hidden = false;
    if (this.movie) this.measure(true);
    if (ms) this.told = setTimeout(() => { notice.hidden = true; if (!this.closed) this.measure(true); }, ms);
  }

  /** What the menu offers to save: [[label, what to do]]. */
  saves() { return [["Picture (PNG)", () => this.savePicture()]]; }

  savePicture() {
    const name = fileName(`frame-${Math.round(this.frame) + 1}.png`);
    const sheet = this.sharply(() => { const made = new Sheet(this, 2); made.paint(); return made; });
    sheet.canvas.toBlob((blob) => offer(blob, name), "image/png");
  }

  /** Whether a film is being recorded, and its end. */
  saveFilm() {
    if (this.film) return;
    try {
      this.film = new Film(this);
    } catch (error) {
      this.tellReader(error.message);
      return;
    }
    this.frame = 0;
    this.held = 0;
    this.playing = this.movie.frames > 1;
    this.draw();
    this.film.start();
    this.say?.("Recording one pass of the movie \u2026");
    this.wake();
  }

  endFilm(dropped = false) {
    const { film } = this;
    if (!film) return;
    this.film = null;
    film.stop(dropped);
    this.say?.("");
    Object.assign(this, film.before);
    this.wake();
  }

  /** Words for those who do not see the stage, half a second after it has come to rest. */
  sayNow() {
    const { now } = this.dom;
    clearTimeout(this.nowSoon);
    const moving = this.playing || this.grabbed;
    if (now.getAttribute("aria-live") !== (moving ? "off" : "polite")) now.setAttribute("aria-live", moving ? "off" : "polite");
    if (moving) return;
    this.nowSoon = setTimeout(() => {
      const words = this.closed || !this.movie ? "" : this.describe();
      if (now.textContent !== words) now.textContent = words;
    }, 500);
  }

  /** Is there something to draw, and something to draw it with? */
  canDraw() { return Boolean(this.movie); }

  /** Asked before every drawing of the loop; false skips this one. */
  pace() { return true; }

  /** Ask for a frame; the loop runs only while something moves and is seen. */
  wake() {
    this.stale = true;
    if (!this.request && !this.closed && this.canDraw()) {
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
    if ((this.stale || this.playing) && this.pace(now)) {
      this.stale = false;
      this.drawnAt = now;
      this.draw();
      this.film?.sheet.paint();
      this.count(now);
    }
    if ((this.playing && this.movie.frames > 1) || this.stale) this.request = requestAnimationFrame((then) => this.tick(then));
    else this.counted = null;
  }

  advance(dt) {
    const last = this.movie.frames - 1;
    if (this.frame >= last) {
      this.held = (this.held || 0) + dt;
      if (this.film) {
        if (this.held > FILM_REST_MS) this.endFilm();
        return;
      }
      if (!this.options.loop) this.end();
      else if (this.held > HOLD_MS) { this.frame = 0; this.held = 0; }
      return;
    }
    this.frame = Math.min(last, this.frame + (dt / 1000) * this.movie.fps * this.speed);
  }

  end() { this.setPlaying(false, true); }

  count(now) {
    if (!this.counted) this.counted = { from: now, frames: 0 };
    else if (++this.counted.frames && now - this.counted.from >= 500) {
      this.dom.root.dataset.fps = ((1000 * this.counted.frames) / (now - this.counted.from)).toFixed(1);
      this.counted = { from: now, frames: 0 };
    }
  }

  /** Clock in words and on the time bar; while it plays, words ten times and the bar thirty times a second. True: words too. */
  readClock(frame) {
    const { movie, dom } = this;
    const { dataset } = dom.root;
    this.sayNow();
    const whole = Math.round(frame);
    dataset.frame = whole;
    if (dataset.playing !== String(this.playing)) {
      dataset.playing = this.playing;
      showPlaying(dom, this.playing);
    }
    const now = performance.now();
    const rest = !this.playing || whole === 0 || whole === movie.frames - 1;
    if (rest || !(now - this.barAt < 30)) {
      this.barAt = now;
      if (!this.grabbed) dom.scrub.value = whole;
      dom.scrub.style.setProperty("--part", movie.frames > 1 ? frame / (movie.frames - 1) : 1);
    }
    if (!rest && now - this.saidAt < 95) return false;
    this.saidAt = now;
    const at = Math.floor(frame);
    const next = Math.min(at + 1, movie.frames - 1);
    const text = `${movie.time} = ${number(movie.clock[at] + (frame - at) * (movie.clock[next] - movie.clock[at]), this.digits)}`;
    if (dom.time.textContent !== text) dom.time.textContent = text;
    const words = `${text}, frame ${whole + 1} of ${movie.frames}`;
    if (dom.scrub.getAttribute("aria-valuetext") !== words) dom.scrub.setAttribute("aria-valuetext", words);
    return true;
  }

  /** Note on the root, and in the browser's timeline, that this movie has been drawn. */
  markDrawn(kind) {
    const { dataset } = this.dom.root;
    if (dataset.drawnPayload === this.movie.id) return;
    dataset.drawnPayload = this.movie.id;
    performance.mark(`${kind}:drawn:${this.movie.id}`);
  }

  setPlaying(playing, byReader = false) {
    if (!this.movie || this.movie.frames < 2 || this.failed) return;
    if (byReader) this.resting = false;
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
    this.resting = false;
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

  /** What Python hears. */
  moment() { return { frame: Math.round(this.frame), playing: this.playing, payload: this.movie.id }; }

  report() {
    if (this.closed || !this.mount.report) return;
    const moment = this.moment();
    const text = JSON.stringify(moment);
    if (text === this.reported) return;
    this.reported = text;
    this.tell("moment", moment);
  }

  /** One key of the keyboard; true when it meant something. */
  key(name) {
    if (name === "Escape" && !this.dom.menu.hidden) { this.openMenu(false); this.dom.view.focus(); return true; }
    if (name === "f" && document.fullscreenEnabled) { this.toggleFull(); return true; }
    const last = this.movie.frames - 1;
    const faster = (by) => this.setSpeed(SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, SPEEDS.indexOf(this.speed) + by))]);
    const keys = {
      " ": () => this.setPlaying(!this.playing, true), ArrowRight: () => this.step(1), ArrowLeft: () => this.step(-1),
      Home: () => this.goTo(0), End: () => { this.playing = false; this.goTo(last); }, ",": () => faster(-1), ".": () => faster(1),
    };
    if (last === 0 || !Object.hasOwn(keys, name)) return false;
    keys[name]();
    return true;
  }

  close() {
    this.closed = true;
    cancelAnimationFrame(this.request);
    for (const timer of [this.soon, this.told, this.nowSoon]) clearTimeout(timer);
    this.endFilm(true);
    this.stop.abort();
    for (const observer of [this.sizes, this.sight, this.lecture]) observer.disconnect();
    this.dispose();
    this.dom.root.remove();
    leaveKeyboard(this);
  }
}

const mounted = new WeakMap();                                // parent element -> its player

/** What Streamlit calls on every change: the player of this place takes what Python sent. Returns what removes it. */
function mountPlayer(component, Kind, name) {
  const { parentElement } = component;
  let entry = mounted.get(parentElement);
  if (!entry) {
    entry = { player: new Kind(parentElement), calls: 0 };
    mounted.set(parentElement, entry);
    joinKeyboard(entry.player);
  }
  const call = ++entry.calls;
  const load = async () => entry.player.load(component);
  load().catch((error) => {
    entry.player.dom.notice.textContent = `The ${name} could not read its data: ${error.message}`;
    entry.player.dom.notice.hidden = false;
    console.warn(`${name}:`, error);
  });
  return () => {
    if (call !== entry.calls || mounted.get(parentElement) !== entry) return;      // a later call took over
    mounted.delete(parentElement);
    entry.player.close();
  };
}

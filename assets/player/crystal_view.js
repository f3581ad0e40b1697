// The picture: one 3Dmol.js viewer, one WebGL context, any number of crystals in a grid of viewports.

const LIBRARY = /*LIBRARY*/null;              // {local: path below the app's address, remote: the public address}
const FOV = 20;                               // degrees, 3Dmol's camera
const CAMERA = 150;                           // Å from the camera to the point z = 0, as in 3Dmol
const BOND_RADIUS = 0.1;                      // Å
let library = null;

function addScript(url) {
  return new Promise((resolve, reject) => {
    const script = element("script", { src: url, onload: resolve, onerror: () => reject(new Error(url)) });
    document.head.append(script);
  });
}

/** 3Dmol.js, once per page: from this server, else from its public address. Rejects when neither answers. */
function loadLibrary() {
  if (window.$3Dmol) return Promise.resolve(window.$3Dmol);
  library ??= (async () => {
    const own = [...document.scripts].map((script) => script.src).find((src) => src.includes("/static/js/"));
    const base = own ? own.replace(/static\/js\/.*$/, "") : `${location.origin}/`;
    for (const url of [new URL(LIBRARY.local, base).href, LIBRARY.remote]) {
      try {
        await addScript(url);
      } catch {
        continue;
      }
      if (window.$3Dmol) return window.$3Dmol;
    }
    library = null;
    throw new Error("3Dmol.js could not be loaded");
  })();
  return library;
}

// ---- rotations as quaternions [x, y, z, w] --------------------------------------------------------------------

const times = (p, q) => [
  p[3] * q[0] + p[0] * q[3] + p[1] * q[2] - p[2] * q[1], p[3] * q[1] - p[0] * q[2] + p[1] * q[3] + p[2] * q[0],
  p[3] * q[2] + p[0] * q[1] - p[1] * q[0] + p[2] * q[3], p[3] * q[3] - p[0] * q[0] - p[1] * q[1] - p[2] * q[2]];
const turn = (axis, angle) => {
  const length = norm(axis) || 1;
  const s = Math.sin(angle / 2) / length;
  return [axis[0] * s, axis[1] * s, axis[2] * s, Math.cos(angle / 2)];
};
function rotated(q, v) {
  const u = [q[0], q[1], q[2]];
  const t = cross(u, v).map((value) => 2 * value);
  const w = cross(u, t);
  return v.map((value, k) => value + q[3] * t[k] + w[k]);
}
// c upwards, b to the right, a towards the reader, then turned a little so that three faces are seen
const FIRST_LOOK = [turn([1, 0, 0], 0.26), turn([0, 1, 0], -0.42), [-0.5, -0.5, -0.5, 0.5]].reduce(times);

const ballRadius = (number) => 0.24 + 0.2 * radiusOf(number);

/** Mix `color` ([r, g, b] in 0..1) towards `other` until it differs enough from the page to be seen. */
function visible(color, page) {
  const light = (c) => 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2];
  const away = light(page) > 0.5 ? [0, 0, 0] : [1, 1, 1];
  let result = color;
  for (let part = 0; part <= 0.6; part += 0.05) {
    result = mixed(color, away, part);
    if (Math.abs(light(result) - light(page)) > 0.16) break;
  }
  return result;
}

class CrystalView {
  /** host: an element with a size. Throws when the browser gives no WebGL. */
  constructor(host, $3Dmol) {
    this.host = host;
    this.canvas = element("canvas", { class: "layer gl" });
    host.prepend(this.canvas);
    const wishes = { alpha: true, premultipliedAlpha: false, antialias: false, preserveDrawingBuffer: false };
    this.gl = this.canvas.getContext("webgl2", wishes);
    if (!this.gl) {
      this.canvas.remove();
      throw new Error("no WebGL2");
    }
    this.undo = [];
    const release = this.record([window, document.body]);
    try {
      this.viewer = $3Dmol.createViewer(host, { canvas: this.canvas, nomouse: true, antialias: true, disableFog: false,
        backgroundColor: "white", backgroundAlpha: 0, rows: 1, cols: 1, row: 0, col: 0 });
    } finally {
      release();
    }
    this.renderer = this.viewer.getRenderer();
    // Draw straight to the canvas at twice its size: smooth edges at a third of the cost of 3Dmol's own two passes.
    this.renderer.initFrameBuffer = () => {};
    this.renderer._fb = null;
    this.viewer.divwatcher?.disconnect();
    this.viewer.intwatcher?.disconnect();
    this.models = [];
    this.scenes = [];
    this.styles = new Map();
    this.grid = { rows: 1, cols: 1 };
    this.sharp = true;
    this.camera = null;
  }

  /** 3Dmol listens on the window for as long as the page lives; remember its listeners so that they can go. */
  record(targets) {
    for (const target of targets) {
      target.addEventListener = (...args) => {
        this.undo.push(() => target.removeEventListener(...args));
        EventTarget.prototype.addEventListener.apply(target, args);
      };
    }
    return () => targets.forEach((target) => { delete target.addEventListener; });
  }

  /** Colours of the page: background and ink as [r, g, b]; everything is styled anew. */
  setLook({ page, ink, muted, accent }) {
    this.page = page;
    this.muted = muted;
    this.accent = accent;
    this.ink = ink;
    this.styles.clear();
    this.viewer.setBackgroundColor(hexOf(page), 0);
  }

  /** Size in CSS pixels and the grid of viewports. */
  layOut(width, height, count) {
    const best = (cols) => {
      const rows = Math.ceil(count / cols);
      return Math.min(width / cols, height / rows) - 1e-3 * (rows * cols - count);
    };
    let cols = 1;
    for (let c = 2; c <= count; c++) if (best(c) > best(cols)) cols = c;
    this.grid = { rows: Math.ceil(count / cols), cols };
    this.width = width;
    this.height = height;
    this.resize();
  }

  resize() {
    const { renderer, viewer, grid } = this;
    Object.assign(renderer, { ...grid, row: 0, col: 0, _upscale: this.sharp });
    Object.assign(viewer, { ...grid, row: 0, col: 0, WIDTH: this.width, HEIGHT: this.height });
    renderer.setSize(this.width, this.height);
    viewer.ASPECT = renderer.getAspect(this.width, this.height);
    viewer.camera.aspect = viewer.ASPECT;
  }

  /** Twice the pixels at rest; while something moves, fewer where drawing is slow. */
  setSharp(sharp) {
    if (this.sharp === sharp || !this.width) return;
    this.sharp = sharp;
    this.resize();
  }

  /** Rectangle of viewport k in CSS pixels: {x, y, w, h} from the top left corner. */
  rect(k) {
    const { rows, cols } = this.grid;
    const w = this.width / cols;
    const h = this.height / rows;
    return { x: (k % cols) * w, y: Math.floor(k / cols) * h, w, h };
  }

  /** Distance of the camera at which a sphere of `radius` Å fills a viewport. */
  distanceFor(radius) {
    const { w, h } = this.rect(0);
    const half = (FOV * Math.PI) / 360;
    const narrow = Math.atan(Math.tan(half) * Math.min(1, w / h));
    return Math.max(4, (radius + 0.9) / Math.sin(narrow));
  }

  fit(radius) {
    this.camera = { q: this.camera?.q ?? FIRST_LOOK, pan: [0, 0], distance: this.distanceFor(radius) };
  }

  styleOf(number, ghost) {
    const key = number * 2 + (ghost ? 1 : 0);
    let style = this.styles.get(key);
    if (!style) {
      let color = visible(rgb(ELEMENTS.rows[number][2]), this.page);
      if (ghost) color = mixed(color, this.page, 0.62);
      const hex = hexOf(color);
      style = { sphere: { radius: ballRadius(number) * (ghost ? 0.8 : 1), color: hex }, stick: { radius: BOND_RADIUS, color: hex } };
      this.styles.set(key, style);
    }
    return style;
  }

  /** Put scene (from buildScene) into viewport k. */
  setScene(k, scene, repeat) {
    const frame = { stick: { radius: Math.max(0.018, scene.radius * 0.0042), color: hexOf(mixed(this.ink, this.page, 0.45)) } };
    const atoms = scene.atoms.map(({ x, y, z, number, ghost }) => (
      { elem: "C", x, y, z, bonds: [], bondOrder: [], style: this.styleOf(number, ghost) }));
    const link = (p, q) => {
      atoms[p].bonds.push(q);
      atoms[p].bondOrder.push(1);
      atoms[q].bonds.push(p);
      atoms[q].bondOrder.push(1);
    };
    for (const [p, q] of scene.bonds) link(p, q);
    const [A, B, C] = repeat;
    const base = atoms.length;
    const [o, a, b, c] = [scene.corners[0], ...scene.rows];
    const at = (i, j, l) => base + (i * (B + 1) + j) * (C + 1) + l;
    for (let i = 0; i <= A; i++) for (let j = 0; j <= B; j++) for (let l = 0; l <= C; l++) {
      const [x, y, z] = o.map((v, m) => v + i * a[m] + j * b[m] + l * c[m]);
      atoms.push({ elem: "C", x, y, z, bonds: [], bondOrder: [], style: frame });
    }
    for (let i = 0; i <= A; i++) for (let j = 0; j <= B; j++) for (let l = 0; l <= C; l++) {
      if (i < A) link(at(i, j, l), at(i + 1, j, l));
      if (j < B) link(at(i, j, l), at(i, j + 1, l));
      if (l < C) link(at(i, j, l), at(i, j, l + 1));
    }
    this.free(k);
    const model = this.viewer.addModel();
    model.addAtoms(atoms);
    this.models[k] = model;
    this.scenes[k] = scene;
  }

  free(k) {
    const model = this.models[k];
    if (!model) return;
    for (const mesh of model.renderedMolObj?.children ?? []) {
      mesh.geometry?.dispose?.();                              // not its material: that would recompile the shaders
    }
    this.viewer.removeModel(model);
    this.models[k] = null;
    this.scenes[k] = null;
  }

  /** Draw `count` viewports; models not among them are freed. */
  draw(count) {
    const { viewer, renderer, camera, models } = this;
    for (let k = count; k < models.length; k++) this.free(k);
    models.length = count;
    if (!camera || !this.width) return;
    const view = this.getView();
    const { rows, cols } = this.grid;
    const { gl } = this;
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    for (let k = 0; k < count; k++) {
      const row = rows - 1 - Math.floor(k / cols);
      const col = k % cols;
      Object.assign(renderer, { row, col });
      Object.assign(viewer, { row, col });
      models.forEach((model, m) => { if (model) { if (m === k) model.show(); else model.hide(); } });
      const depth = this.scenes[k].radius + 2.5;
      viewer.slabNear = -2 * depth;
      viewer.slabFar = 3 * depth;
      const model = models[k];
      if (!model.renderedMolObj) model.globj(viewer.modelGroup, renderer.supportedExtensions());
      viewer.setView(view);
    }
  }

  /** As 3Dmol's getView: position of the model, distance, rotation. */
  getView() {
    const { q, pan, distance } = this.camera;
    const back = [-q[0], -q[1], -q[2], q[3]];
    return [...rotated(back, [pan[0], pan[1], 0]), CAMERA - distance, ...q];
  }

  /** Model coordinates -> {x, y} CSS pixels in the host, depth (Å before the camera), scale (pixels per Å there). */
  project(k, { x, y, z }) {
    const { q, pan, distance } = this.camera;
    const v = rotated(q, [x, y, z]);
    const depth = distance - v[2];
    const { x: left, y: top, w, h } = this.rect(k);
    const scale = h / 2 / (depth * Math.tan((FOV * Math.PI) / 360));
    return { x: left + w / 2 + (v[0] + pan[0]) * scale, y: top + h / 2 - (v[1] + pan[1]) * scale, depth, scale };
  }

  rotate(dx, dy) {
    const speed = Math.PI / Math.min(this.rect(0).w, this.rect(0).h);
    const angle = Math.hypot(dx, dy) * speed;
    if (angle) this.camera.q = times(turn([dy, dx, 0], angle), this.camera.q);
  }

  shift(dx, dy) {
    const scale = this.rect(0).h / 2 / (this.camera.distance * Math.tan((FOV * Math.PI) / 360));
    this.camera.pan = [this.camera.pan[0] + dx / scale, this.camera.pan[1] - dy / scale];
  }

  zoom(factor) {
    this.camera.distance = Math.min(600, Math.max(3, this.camera.distance * factor));
  }

  /** The front-most atom under a point of the host, as {k, p, atom}, or null. */
  pick(x, y) {
    const { rows, cols } = this.grid;
    const k = Math.floor((y / this.height) * rows) * cols + Math.floor((x / this.width) * cols);
    const scene = this.scenes[k];
    if (!scene) return null;
    let best = null;
    scene.atoms.forEach((atom, p) => {
      const spot = this.project(k, atom);
      const reach = Math.max(7, ballRadius(atom.number) * (atom.ghost ? 0.8 : 1) * spot.scale);
      if (Math.hypot(spot.x - x, spot.y - y) <= reach && (!best || spot.depth < best.spot.depth)) best = { k, p, atom, spot };
    });
    return best;
  }

  dispose() {
    for (const undo of this.undo) undo();
    this.viewer.removeAllModels();
    this.models = [];
    this.scenes = [];
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
    this.canvas.remove();
  }
}

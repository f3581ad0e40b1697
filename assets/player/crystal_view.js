// The picture: one 3Dmol.js viewer, one WebGL context, any number of crystals in a grid of viewports.

const LIBRARY = /*LIBRARY*/null;              // {local: path below the app's address, remote: the public address}
const FOV = 20;                               // degrees, 3Dmol's camera
const CAMERA = 150;                           // Å from the camera to the point z = 0, as in 3Dmol
const BOND_RADIUS = 0.1;                      // Å
const SPACING = 500;                          // Å between crystals that share the scene
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
    for (const url of [new URL(LIBRARY.local, APP).href, LIBRARY.remote]) {
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

/**
 * 3Dmol gives every group of vertices 4 MB to grow into; ours are rebuilt at every frame and need a tenth of it. From
 * the first model on, groups hold GROUP vertices each; 3Dmol itself opens the next one when a group is full.
 */
const GROUP = 6000;
function slimGeometry(model) {
  const geometry = model.renderedMolObj?.children?.[0]?.geometry;
  const kind = geometry && Object.getPrototypeOf(geometry);
  if (!kind?.addGeoGroup || kind.slim || !geometry.geometryGroups?.[0]) return;
  const Group = geometry.geometryGroups[0].constructor;
  kind.slim = true;
  kind.addGeoGroup = function () {
    const group = new Group(this.geometryGroups.length);
    this.geometryGroups.push(group);
    this.groups = this.geometryGroups.length;
    group.vertexArray = new Float32Array(GROUP * 3);
    group.colorArray = new Float32Array(GROUP * 3);
    if (this.mesh) {
      group.normalArray = new Float32Array(GROUP * 3);
      group.faceArray = new Uint16Array(GROUP * 6);
      group.lineArray = new Uint16Array(GROUP * 6);
    }
    if (this.radii) group.radiusArray = new Float32Array(GROUP);
    group.useOffset = this.offset;
    return group;
  };
}

/** Returns a function that takes away every listener added to `targets` since: 3Dmol's would live as long as the page. */
function recordListeners(targets) {
  const added = [];
  for (const target of targets) {
    target.addEventListener = (...args) => {
      added.push([target, args]);
      EventTarget.prototype.addEventListener.apply(target, args);
    };
  }
  return () => {
    for (const target of targets) delete target.addEventListener;
    for (const [target, args] of added) target.removeEventListener(...args);
  };
}

class CrystalView {
  /** host: an element that has its size already. Throws when the browser gives no WebGL2. */
  constructor(host, $3Dmol) {
    this.host = host;
    this.canvas = element("canvas", { class: "gl" });
    host.prepend(this.canvas);
    // Opaque and unread: the page composites it a third faster than a see-through canvas that keeps its pixels.
    const wishes = { alpha: false, premultipliedAlpha: false, antialias: false, preserveDrawingBuffer: false };
    this.gl = this.canvas.getContext("webgl2", wishes);
    if (!this.gl) {
      this.canvas.remove();
      throw new Error("no WebGL2");
    }
    const forget = recordListeners([window, document.body]);
    try {
      this.viewer = $3Dmol.createViewer(host, { canvas: this.canvas, nomouse: true, antialias: true, disableFog: false,
        backgroundColor: "white", backgroundAlpha: 1, rows: 1, cols: 1, row: 0, col: 0 });
    } finally {
      forget();
    }
    this.renderer = this.viewer.getRenderer();
    // Draw straight to the canvas at twice its size: smooth edges at a third of the cost of 3Dmol's own two passes.
    this.renderer.initFrameBuffer = () => {};
    this.renderer._fb = null;
    this.renderer.setViewport = () => this.setViewport();
    this.viewer.divwatcher?.disconnect();
    this.viewer.intwatcher?.disconnect();
    this.model = null;
    this.scenes = [];
    this.styles = new Map();
    this.grid = { rows: 1, cols: 1 };
    this.sizes = [1];                                          // Å, radius of the crystal in each viewport
    this.sharp = true;
    this.turn = 0;
    this.band = 0;
    this.camera = null;
  }

  /** Colours of the page: background and ink as [r, g, b]; everything is styled anew. */
  setLook({ page, ink, muted, accent }) {
    this.page = page;
    this.muted = muted;
    this.accent = accent;
    this.ink = ink;
    this.styles.clear();
    this.viewer.setBackgroundColor(hexOf(page), 1);
  }

  /** Size in CSS pixels, number of viewports, height of the band for a title below each of them. */
  layOut(width, height, count, band) {
    const best = (cols) => {
      const rows = Math.ceil(count / cols);
      return Math.min(width / cols, height / rows - band) - 1e-3 * (rows * cols - count);
    };
    let cols = 1;
    const most = Math.min(count, Math.max(1, Math.floor(width / 84)));
    for (let c = 2; c <= most; c++) if (best(c) > best(cols)) cols = c;
    Object.assign(this, { grid: { rows: Math.ceil(count / cols), cols }, width, height, band });
    this.resize();
  }

  resize() {
    const { renderer, viewer } = this;
    renderer._upscale = this.sharp;
    renderer.setSize(this.width, this.height);
    const { w, h } = this.rect(0);
    viewer.ASPECT = w / h;
    viewer.camera.aspect = w / h;
  }

  /** 3Dmol asks for this before it draws: the viewport of the crystal whose turn it is. */
  setViewport() {
    const { gl, renderer, canvas } = this;
    if (!this.width) return;
    const { x, y, w, h } = this.rect(this.turn);
    const ratio = canvas.width / this.width;
    const box = [x * ratio, canvas.height - (y + h) * ratio, w * ratio, h * ratio].map(Math.round);
    renderer._viewportWidth = box[2];
    renderer._viewportHeight = box[3];
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(...box);
    gl.viewport(...box);
  }

  /** Twice the pixels at rest; while something moves, fewer where drawing is slow. */
  setSharp(sharp) {
    if (this.sharp === sharp || !this.width) return;
    this.sharp = sharp;
    this.resize();
  }

  /** Rectangle of viewport k, without its title, in CSS pixels: {x, y, w, h} from the top left corner. */
  rect(k) {
    const { rows, cols } = this.grid;
    const w = this.width / cols;
    const h = this.height / rows;
    return { x: (k % cols) * w, y: Math.floor(k / cols) * h, w, h: h - this.band };
  }

  /** Distance of the camera at which a crystal of `radius` Å fills a viewport. */
  distanceFor(radius) {
    const { w, h } = this.rect(0);
    const half = (FOV * Math.PI) / 360;
    const narrow = Math.atan(Math.tan(half) * Math.min(1, w / h));
    return Math.max(4, (radius + 0.8) / Math.sin(narrow));      // 0.8 Å: the largest ball
  }

  /** See a crystal of `radius` Å whole; other viewports show theirs at the same share of their size. */
  fit(radius) {
    this.camera = { q: this.camera?.q ?? FIRST_LOOK, pan: [0, 0], distance: this.distanceFor(radius), radius };
  }

  distance(k) {
    return (this.camera.distance * this.sizes[k]) / this.camera.radius;
  }

  /** lit: undefined where no group of atoms is lit, else whether this atom belongs to it. */
  styleOf(number, ghost, lit) {
    const key = number * 6 + (ghost ? 3 : 0) + (lit === undefined ? 0 : lit ? 1 : 2);
    let style = this.styles.get(key);
    if (!style) {
      let color = visible(rgb(ELEMENTS.rows[number][2]), this.page);
      if (ghost) color = mixed(color, this.page, 0.62);
      if (lit === false) color = mixed(color, this.page, ghost ? 0.6 : 0.78);
      const hex = hexOf(color);
      const size = (ghost ? 0.72 : 1) * (lit === undefined ? 1 : lit ? 1.15 : 0.7);
      style = { sphere: { radius: ballRadius(number) * size, color: hex }, stick: { radius: BOND_RADIUS, color: hex } };
      this.styles.set(key, style);
    }
    return style;
  }

  /**
   * Show scenes (from buildScene), one per viewport. They share one 3Dmol model, SPACING apart: every viewport's camera
   * sees its own, the others lie beyond its far plane. One model per crystal would cost 16 times the memory traffic.
   */
  setScenes(scenes, repeat) {
    const atoms = [];
    const link = (p, q) => {
      atoms[p].bonds.push(q);
      atoms[p].bondOrder.push(1);
      atoms[q].bonds.push(p);
      atoms[q].bondOrder.push(1);
    };
    scenes.forEach((scene, k) => {
      const first = atoms.length;
      const side = this.offset(k);
      const put = (x, y, z, style) => atoms.push({ elem: "C", x: x + side, y, z, bonds: [], bondOrder: [], style });
      for (const { x, y, z, number, ghost, site } of scene.atoms) put(x, y, z, this.styleOf(number, ghost, scene.lit?.[site]));
      for (const [p, q] of scene.bonds) link(first + p, first + q);
      this.addFrame(scene, repeat, put, link, { first: atoms.length, k });
    });
    this.free();
    this.model = this.viewer.addModel();
    this.model.addAtoms(atoms);
    this.model.globj(this.viewer.modelGroup, this.renderer.supportedExtensions());
    slimGeometry(this.model);
    this.scenes = scenes;
  }

  /** Edges of every cell as thin sticks between lattice points. */
  addFrame(scene, [A, B, C], put, link, { first, k }) {
    const [o, a, b, c] = [scene.corners[0], ...scene.rows];
    const color = hexOf(mixed(this.ink, this.page, 0.45));
    const fine = this.camera ? 0.7 / this.project(k, { x: 0, y: 0, z: 0 }).scale : 0;        // 1.4 pixels wide at least
    const style = { stick: { radius: Math.min(0.09, Math.max(0.03, scene.radius * 0.005, fine)), color } };
    const at = (i, j, l) => first + (i * (B + 1) + j) * (C + 1) + l;
    const points = [];
    for (let i = 0; i <= A; i++) for (let j = 0; j <= B; j++) for (let l = 0; l <= C; l++) points.push([i, j, l]);
    for (const [i, j, l] of points) put(...o.map((v, m) => v + i * a[m] + j * b[m] + l * c[m]), style);
    for (const [i, j, l] of points) {
      if (i < A) link(at(i, j, l), at(i + 1, j, l));
      if (j < B) link(at(i, j, l), at(i, j + 1, l));
      if (l < C) link(at(i, j, l), at(i, j, l + 1));
    }
  }

  offset(k) {
    return SPACING * (k - 8);
  }

  free() {
    if (!this.model) return;
    for (const mesh of this.model.renderedMolObj?.children ?? []) mesh.geometry?.dispose?.();
    this.viewer.removeModel(this.model);                        // its materials stay: shaders would be compiled anew
    this.model = null;
  }

  draw() {
    const { viewer, camera, gl, scenes } = this;
    if (!camera || !this.width) return;
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(...this.page, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    scenes.forEach((scene, k) => {
      this.turn = k;
      viewer.slabNear = -2 * (scene.radius + 2.5);
      viewer.slabFar = 3 * (scene.radius + 2.5);
      const view = this.getView(k);
      view[0] -= this.offset(k);
      viewer.setView(view);
    });
  }

  /** As 3Dmol's getView, for viewport k: position of the model, distance, rotation. */
  getView(k = 0) {
    const { q, pan } = this.camera;
    const back = [-q[0], -q[1], -q[2], q[3]];
    const unit = this.sizes[k];                                 // the pan is in units of the crystal's size
    return [...rotated(back, [pan[0] * unit, pan[1] * unit, 0]), CAMERA - this.distance(k), ...q];
  }

  /** Model coordinates -> {x, y} CSS pixels in the host, depth (Å before the camera), scale (pixels per Å there). */
  project(k, { x, y, z }) {
    const { q, pan } = this.camera;
    const v = rotated(q, [x, y, z]);
    const unit = this.sizes[k];
    const depth = this.distance(k) - v[2];
    const { x: left, y: top, w, h } = this.rect(k);
    const scale = h / 2 / (depth * Math.tan((FOV * Math.PI) / 360));
    return { x: left + w / 2 + (v[0] + pan[0] * unit) * scale, y: top + h / 2 - (v[1] + pan[1] * unit) * scale, depth, scale };
  }

  rotate(dx, dy) {
    const speed = Math.PI / Math.min(this.rect(0).w, this.rect(0).h);
    const angle = Math.hypot(dx, dy) * speed;
    if (angle) this.camera.q = times(turn([dy, dx, 0], angle), this.camera.q);
  }

  shift(dx, dy) {
    const scale = (this.rect(0).h / 2 / (this.distance(0) * Math.tan((FOV * Math.PI) / 360))) * this.sizes[0];
    this.camera.pan = [this.camera.pan[0] + dx / scale, this.camera.pan[1] - dy / scale];
  }

  zoom(factor) {
    this.camera.distance = Math.min(600, Math.max(3, this.camera.distance * factor));
  }

  /** Number of the viewport under a point of the host. */
  viewportAt(x, y) {
    const { rows, cols } = this.grid;
    return Math.floor((y / this.height) * rows) * cols + Math.floor((x / this.width) * cols);
  }

  /** The front-most atom under a point of the host, as {k, p, atom, spot}, or null. */
  pick(x, y) {
    const k = this.viewportAt(x, y);
    const scene = this.scenes[k];
    if (!scene) return null;
    let best = null;
    scene.atoms.forEach((atom, p) => {
      const spot = this.project(k, atom);
      const reach = Math.max(7, ballRadius(atom.number) * (atom.ghost ? 0.72 : 1) * spot.scale);
      if (Math.hypot(spot.x - x, spot.y - y) <= reach && (!best || spot.depth < best.spot.depth)) best = { k, p, atom, spot };
    });
    return best;
  }

  dispose() {
    this.free();
    this.scenes = [];
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
    this.canvas.remove();
  }
}

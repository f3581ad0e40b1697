// The WebGL2 renderer: points, trails, paths, exact density and arrows, all from buffers uploaded once per payload.

const TRAIL_PIECES = 6000;                                    // pieces of trail drawn in one frame, all panels
const MOST_PATHS = 80;                                        // of a panel of a 1-D movie; fewer where they would hide the density behind them
const PATH_ROOM = 500;                                        // heights of the view that the paths of a panel may travel together

/** Evenly picked particles, so that a few paths stand for all: their indices. */
function pick(n, wanted) {
  const count = Math.max(1, Math.min(n, wanted));
  return Uint32Array.from({ length: count }, (_, i) => Math.floor((i * n) / count));
}

/** Heights of the view that a path of a 1-D panel would go up and down, were it always as busy as in its busiest tenth; and 1 across. */
function travel({ codes, n }, { frames, view, lost }) {
  const some = pick(n, 40);
  const ways = Array.from({ length: frames - 1 }, (_, t) => {
    let way = 0;
    for (const i of some) {
      const [from, to] = [codes[t * n + i], codes[(t + 1) * n + i]];
      if (from !== lost && to !== lost) way += Math.abs(to - from);
    }
    return way / view / some.length;
  }).sort((a, b) => a - b);
  return 1 + (ways.length ? ways.length * ways[Math.floor(0.9 * ways.length)] : 0);
}

class GlRenderer {
  /** Throws when the canvas gives no WebGL2. */
  constructor(canvas) {
    this.name = "webgl2";
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl2", { alpha: true, antialias: false, depth: false, premultipliedAlpha: true });
    if (!this.gl) throw new Error("no WebGL2");
    this.software = /swiftshader|llvmpipe|software/i.test(this.gl.getParameter(this.gl.RENDERER));
    this.build();
  }

  build() {
    const gl = this.gl;
    this.points = program(gl, POINT_VS, POINT_FS);
    this.paths = program(gl, PATH_VS, PATH_FS);
    this.density = program(gl, COVER_VS, DENSITY_FS);
    this.images = program(gl, COVER_VS, IMAGE_FS);
    this.arrows = program(gl, ARROW_VS, ARROW_FS);
    this.shapes = program(gl, SHAPE_VS, SHAPE_FS);
    this.corners = gl.createBuffer();
    this.vao = gl.createVertexArray();
    gl.bindVertexArray(this.vao);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.held = [];
  }

  texture(filter) {
    const gl = this.gl;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    for (const [name, value] of [[gl.TEXTURE_MIN_FILTER, filter], [gl.TEXTURE_MAG_FILTER, filter],
      [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE]]) {
      gl.texParameteri(gl.TEXTURE_2D, name, value);
    }
    this.held.push(["deleteTexture", texture]);
    return texture;
  }

  buffer(data) {
    const gl = this.gl;
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    this.held.push(["deleteBuffer", buffer]);
    return buffer;
  }

  /** Upload a movie; what the last one held is freed. */
  setMovie(movie) {
    const gl = this.gl;
    for (const [free, thing] of this.held) gl[free](thing);
    this.held = [];
    this.movie = movie;
    const clock = movie.clock;
    const last = clock[clock.length - 1];
    const across = Float32Array.from(clock, (t) => (last === clock[0] ? 0 : (2 * (t - clock[0])) / (last - clock[0]) - 1));
    this.across = across;
    this.times = this.texture(gl.NEAREST);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32F, across.length, 1, 0, gl.RED, gl.FLOAT, across);
    this.parts = movie.panels.map((panel, index) => this.upload(panel, index));
  }

  upload(panel, index) {
    const gl = this.gl;
    if (panel.image) {
      return { panel, chosen: [], ramp: this.texture(gl.NEAREST), layers: [this.texture(gl.NEAREST), this.texture(gl.NEAREST)], shown: null };
    }
    const { dim, frames } = this.movie;
    const way = this.movie.flat ? travel(panel, this.movie) : 0;
    const chosen = pick(panel.n, this.movie.flat ? Math.max(12, Math.min(MOST_PATHS, Math.round(PATH_ROOM / way))) : 500);
    const part = { panel, index, chosen, way, codes: this.buffer(panel.codes), ramp: this.texture(gl.NEAREST),
      color: this.buffer(new Uint8Array(panel.n)), colors: this.texture(gl.NEAREST), shown: null };
    const rows = Math.ceil((frames * chosen.length) / 2048);
    const some = new Uint16Array(2048 * rows * dim);
    for (let t = 0, to = 0; t < frames; t++) {
      for (const i of chosen) for (let d = 0; d < dim; d++) some[to++] = panel.codes[(t * panel.n + i) * dim + d];
    }
    part.paths = this.texture(gl.NEAREST);
    gl.texImage2D(gl.TEXTURE_2D, 0, dim === 2 ? gl.RG16UI : gl.R16UI, 2048, rows, 0, dim === 2 ? gl.RG_INTEGER : gl.RED_INTEGER,
      gl.UNSIGNED_SHORT, some);
    if (panel.density) part.layers = [this.texture(gl.LINEAR), this.texture(gl.LINEAR)];
    if (panel.arrows) {
      const { columns, rows: height, keys, data } = panel.arrows;
      part.arrows = this.texture(gl.NEAREST);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RG8I, columns, height * keys.length, 0, gl.RG_INTEGER, gl.BYTE, data);
    }
    return part;
  }

  /** Colour of each particle: an index (0..255) by particle into 256 RGBA colours. */
  setColors(index, { indices, ramp }) {
    const gl = this.gl;
    const part = this.parts[index];
    gl.bindTexture(gl.TEXTURE_2D, part.ramp);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, ramp);
    if (part.panel.image) return;
    gl.bindBuffer(gl.ARRAY_BUFFER, part.color);
    gl.bufferData(gl.ARRAY_BUFFER, indices, gl.STATIC_DRAW);
    const rows = Math.ceil(part.chosen.length / 1024);
    const square = new Uint8Array(1024 * rows);
    part.chosen.forEach((i, k) => { square[k] = indices[i]; });
    gl.bindTexture(gl.TEXTURE_2D, part.colors);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, 1024, rows, 0, gl.RED, gl.UNSIGNED_BYTE, square);
    if (part.film) part.film.upTo = -1;
  }

  /** The density or the arrows of a panel were written anew by a hand on the stage. */
  fieldChanged(index) {
    const gl = this.gl;
    const part = this.parts[index];
    part.shown = null;
    if (part.film) part.film.upTo = -1;
    if (!part.arrows || gl.isContextLost()) return;
    const { columns, rows, data } = part.panel.arrows;
    gl.bindTexture(gl.TEXTURE_2D, part.arrows);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RG8I, columns, rows, 0, gl.RG_INTEGER, gl.BYTE, data);
  }

  resize(width, height) {
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
  }

  /** Draw one moment. look: {frame, options, colors, rects and strips by panel (device pixels, origin at the bottom), ...}. */
  draw(look) {
    const gl = this.gl;
    if (gl.isContextLost() || !this.movie) return;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.SCISSOR_TEST);
    this.parts.forEach((part, i) => {
      const rect = look.rects[i];
      if (rect.w < 2 || rect.h < 2) return;
      if (part.panel.image) {
        this.drawImage(part, look, rect);
        return;
      }
      this.drawFilm(part, look, rect);
      if (!this.movie.flat && look.options.trail > 0) this.drawTrails(part, look, rect);
      this.drawPoints(part, look);
      for (const strip of look.strips[i]) this.drawStrip(part.panel, strip, look, i);
    });
  }

  aim({ x, y, w, h }) {
    this.gl.viewport(x, y, w, h);
    this.gl.scissor(x, y, w, h);
  }

  use({ made, at }, values) {
    const gl = this.gl;
    gl.useProgram(made);
    for (const [name, value] of Object.entries(values)) {
      if (!(name in at)) continue;
      if (Array.isArray(value)) gl[`uniform${value.length}fv`](at[name], value);
      else gl.uniform1f(at[name], value);
    }
    return at;
  }

  place(at) {
    const gl = this.gl;
    const { view, margin, lost, flat, wrap, leap } = this.movie;
    gl.uniform1f(at.u_view, view);
    gl.uniform1f(at.u_margin, margin);
    gl.uniform1f(at.u_lost, lost);
    gl.uniform1f(at.u_leap, leap ? leap * view : 1e9);
    gl.uniform1i(at.u_flat, flat);
    gl.uniform1i(at.u_wrap, wrap);
  }

  sample(at, textures) {
    const gl = this.gl;
    Object.entries(textures).forEach(([name, texture], unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, texture);
      gl.uniform1i(at[name], unit);
    });
    gl.activeTexture(gl.TEXTURE0);
  }

  /** Bind these arrays to attributes 0, 1, ...: [buffer, numbers each, type, offset, bytes from one to the next]. */
  attributes(arrays) {
    const gl = this.gl;
    arrays.forEach(([buffer, size, type, offset, step = 0], slot) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(slot);
      gl.vertexAttribPointer(slot, size, type, false, step, offset);
    });
    for (let slot = arrays.length; slot < 3; slot++) gl.disableVertexAttribArray(slot);
  }

  drawPoints(part, { frame, size, alpha, rim, strength }) {
    const gl = this.gl;
    const { dim, frames, flat } = this.movie;
    const now = Math.floor(frame);
    const next = Math.min(now + 1, frames - 1);
    const row = part.panel.n * dim * 2;
    const every = flat ? Math.min(100, Math.ceil(part.panel.n / 1500)) : 1;    // heads of paths lie on one line: some stand for all
    const crowd = 1 / Math.sqrt(1 + part.panel.n / (flat ? 150 : 4000));      // many points let each other through
    const across = this.across[now] + (frame - now) * (this.across[next] - this.across[now]);
    const at = this.use(this.points, { u_frac: frame - now, u_size: size(part.panel.n), u_rim: rim(part.panel.n),
      u_alpha: alpha * crowd * strength("particles", part.panel.role), u_now: across });
    this.place(at);
    this.sample(at, { u_ramp: part.ramp });
    const step = dim * 2 * every;
    this.attributes([[part.codes, dim, gl.UNSIGNED_SHORT, now * row, step], [part.codes, dim, gl.UNSIGNED_SHORT, next * row, step],
      [part.color, 1, gl.UNSIGNED_BYTE, 0, every]]);
    gl.drawArrays(gl.POINTS, 0, Math.floor((part.panel.n - 1) / every) + 1);
  }

  /** The pieces from frame `first` on; `partial`: the last layer reaches only the fraction `frac`. */
  drawPieces(part, n, first, layers, { frac = 1, partial = false, width, alpha, fade, rect }) {
    if (layers < 1) return;
    const gl = this.gl;
    const at = this.use(this.paths, { u_frac: frac, u_width: width, u_alpha: alpha, u_fade: fade,
      u_pixels: [rect.w / 2, rect.h / 2] });
    this.place(at);
    gl.uniform1i(at.u_n, part.chosen.length);
    gl.uniform1i(at.u_first, first);
    gl.uniform1i(at.u_layers, layers);
    gl.uniform1i(at.u_partial, partial);
    this.sample(at, { u_ramp: part.ramp, u_colors: part.colors, u_times: this.times, u_codes: part.paths });
    this.attributes([]);
    gl.drawArrays(gl.TRIANGLES, 0, 6 * layers * n);
  }

  /** Frames of trail there is room for: whole layers only, so that a long trail of a crowd is shortened. */
  trailRoom({ chosen }) { return Math.max(1, Math.floor(TRAIL_PIECES / this.movie.panels.length / chosen.length)); }

  /** What is drawn of the paths or trails of a panel: how many, and how many frames of each at most. */
  drawnPaths(index) {
    const part = this.parts[index];
    return { count: part.chosen.length, frames: this.movie.flat ? Infinity : this.trailRoom(part) };
  }

  drawTrails(part, { frame, options, pixelRatio, strength }, rect) {
    const { frames } = this.movie;
    const now = Math.floor(frame);
    const length = Math.min(options.trail, this.trailRoom(part));
    const frac = frame - now;
    const partial = frac > 0 && now < frames - 1;
    const first = Math.max(0, now - length + (partial ? 1 : 0));
    const layers = now - first + (partial ? 1 : 0);
    this.drawPieces(part, part.chosen.length, first, layers,
      { frac, partial, width: 1.1 * pixelRatio, alpha: 0.55 * strength("particles", part.panel.role), fade: 1.6, rect });
  }

  /** What lies under the particles is a picture of its own, copied in every frame and redrawn only when it must be. */
  drawFilm(part, look, rect) {
    const gl = this.gl;
    const { background, arrows } = look.options;
    const layers = `${background && Boolean(part.layers)} ${arrows && Boolean(part.arrows)}`;
    const shown = `${layers} ${look.lit}`;
    this.aim(rect);
    if (!this.movie.flat && layers === "false false") return;
    if (!part.film || part.film.w !== rect.w || part.film.h !== rect.h) this.openFilm(part, rect);
    const film = part.film;
    if (film.layers !== shown) film.upTo = -1;
    film.layers = shown;
    if (this.movie.flat) this.addPaths(part, look, rect);
    else this.refreshFilm(part, look, rect);
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, film.frame);
    gl.blitFramebuffer(0, 0, rect.w, rect.h, rect.x, rect.y, rect.x + rect.w, rect.y + rect.h, gl.COLOR_BUFFER_BIT, gl.NEAREST);
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, null);
    const { frame } = look;
    const now = Math.floor(frame);
    if (this.movie.flat && frame > now && now < this.movie.frames - 1) {
      this.drawPieces(part, part.chosen.length, now, 1, { ...this.pathInk(part, look, rect), frac: frame - now, partial: true });
    }
  }

  onFilm(film, rect, draw) {
    const gl = this.gl;
    gl.bindFramebuffer(gl.FRAMEBUFFER, film.frame);
    this.aim({ x: 0, y: 0, w: rect.w, h: rect.h });
    draw();
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    this.aim(rect);
  }

  /** 2-D: exact density and arrows of this moment; while the movie plays at most thirty times a second, drawn by the processor twenty times. */
  refreshFilm(part, look, rect) {
    const gl = this.gl;
    const { film } = part;
    const still = [part.panel.density, part.panel.arrows].every((layer) => !layer || layer.keys.length === 1);
    const now = performance.now();
    if (film.upTo === look.frame || (film.upTo >= 0 && (still || (look.playing && now - film.drawnAt < (this.software ? 48 : 32))))) return;
    this.onFilm(film, rect, () => {
      gl.clear(gl.COLOR_BUFFER_BIT);
      if (look.options.background && part.layers) this.drawDensity(part, look);
      if (look.options.arrows && part.arrows) this.drawArrows(part, look, rect);
    });
    film.upTo = look.frame;
    film.drawnAt = now;
  }

  pathInk(part, { pixelRatio, strength }, rect) {
    const n = part.chosen.length;
    const width = (n > 10 ? 0.9 : 1.3) * pixelRatio;
    const covered = (n * part.way * width) / rect.w;           // of the panel, if no path lay on another
    const alpha = Math.max(0.1, Math.min(0.85, 2.4 / Math.sqrt(n), 0.4 / covered)) * strength("particles", part.panel.role);
    return { width, alpha, fade: 0, rect };
  }

  /** 1-D: paths pile up over the exact density; only what is new is drawn, all of it after a jump back. */
  addPaths(part, look, rect) {
    const gl = this.gl;
    const { film } = part;
    const now = Math.floor(look.frame);
    if (film.upTo === now) return;
    this.onFilm(film, rect, () => {
      if (film.upTo < 0 || film.upTo > now) {
        gl.clear(gl.COLOR_BUFFER_BIT);
        if (look.options.background && part.layers) this.drawDensity(part, look);
        film.upTo = 0;
      }
      this.drawPieces(part, part.chosen.length, film.upTo, now - film.upTo, this.pathInk(part, look, rect));
    });
    film.upTo = now;
  }

  openFilm(part, rect) {
    const gl = this.gl;
    if (part.film) {
      gl.deleteTexture(part.film.texture);
      gl.deleteFramebuffer(part.film.frame);
    }
    const texture = this.texture(gl.NEAREST);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, rect.w, rect.h, 0, gl.RGBA, gl.UNSIGNED_BYTE, null);
    const frame = gl.createFramebuffer();
    this.held.push(["deleteFramebuffer", frame]);
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    part.film = { texture, frame, w: rect.w, h: rect.h, upTo: -1 };
  }

  cover() {
    const gl = this.gl;
    this.attributes([]);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }

  /** Put the two stored pictures around this moment into the layers of a part; returns how far it is from one to the other. */
  showLayers(part, { keys, rows, columns, data }, frame) {
    const gl = this.gl;
    const [from, to, frac] = between(keys, frame);
    const wanted = `${from} ${to}`;
    if (part.shown !== wanted) {
      [from, to].forEach((key, i) => {
        gl.bindTexture(gl.TEXTURE_2D, part.layers[i]);
        gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, columns, rows, 0, gl.RED, gl.UNSIGNED_BYTE,
          data.subarray(key * rows * columns, (key + 1) * rows * columns));
      });
      part.shown = wanted;
    }
    return frac;
  }

  drawImage(part, { frame }, rect) {
    this.aim(rect);
    const frac = this.showLayers(part, part.panel.image, frame);
    const at = this.use(this.images, { u_frac: frac });
    this.sample(at, { u_from: part.layers[0], u_to: part.layers[1], u_ramp: part.ramp });
    this.cover();
  }

  drawDensity(part, { frame, colors, strength }) {
    const much = strength("density");
    const frac = this.showLayers(part, part.panel.density, frame);
    const at = this.use(this.density, { u_frac: frac, u_tint: colors.backgrounds[part.panel.density_role], u_fill: much * (colors.dark ? 0.5 : 0.42),
      u_line: this.movie.flat || !this.movie.isolines ? 0 : 0.3 * much });
    this.sample(at, { u_from: part.layers[0], u_to: part.layers[1] });
    this.cover();
  }

  drawStrip(panel, [rect, axis, upright], { frame, colors, pixelRatio, strength }, index) {
    const gl = this.gl;
    const { bars, curve } = stripShapes(this.movie, panel, axis, frame);
    this.aim(rect);
    const width = 2 * pixelRatio;
    const room = 18 * Math.max(bars.length, curve?.length ?? 0);
    if (!(this.triangles?.length >= room)) this.triangles = new Float32Array(room);
    const fill = (points, color, thick) => {
      this.use(this.shapes, { u_pixels: [rect.w / 2, rect.h / 2], u_color: color, u_width: thick });
      gl.bindBuffer(gl.ARRAY_BUFFER, this.corners);
      gl.bufferData(gl.ARRAY_BUFFER, this.triangles.subarray(0, 3 * points), gl.STREAM_DRAW);
      this.attributes([[this.corners, 3, gl.FLOAT, 0]]);
      gl.drawArrays(gl.TRIANGLES, 0, points);
    };
    fill(barTriangles(this.triangles, bars, rect, upright, pixelRatio), [...colors.roles[index], colors.bar * strength("particles", panel.role)], 9);
    if (curve) fill(curveTriangles(this.triangles, curve, rect, upright, width), [...colors.exact, strength("density")], width);
  }

  drawArrows(part, { frame, colors, pixelRatio, strength }, rect) {
    const gl = this.gl;
    const { keys, rows, columns } = part.panel.arrows;
    const [from, to, frac] = between(keys, frame);
    const room = Math.min(rect.w / columns, rect.h / rows);
    const stride = Math.max(1, Math.ceil((20 * pixelRatio) / room));          // a small plot shows every second arrow
    const shown = [Math.ceil(columns / stride), Math.ceil(rows / stride)];
    const cell = 0.85 * room * stride;
    const at = this.use(this.arrows, { u_frac: frac, u_cell: cell, u_scale: pixelRatio, u_alpha: (colors.dark ? 0.8 : 0.65) * strength(part.panel.arrow_role),
      u_tint: colors.arrows[part.index], u_pixels: [rect.w / 2, rect.h / 2] });
    gl.uniform2i(at.u_grid, columns, rows);
    gl.uniform2i(at.u_shown, ...shown);
    gl.uniform1i(at.u_stride, stride);
    gl.uniform2i(at.u_keys, from, to);
    this.sample(at, { u_field: part.arrows });
    this.attributes([]);
    gl.drawArrays(gl.TRIANGLES, 0, 6 * shown[0] * shown[1]);
  }

  /** After the browser gave the context back. */
  restore() {
    this.build();
    if (this.movie) this.setMovie(this.movie);
  }

  dispose() {
    const gl = this.gl;
    for (const [free, thing] of this.held) gl[free](thing);
    this.held = [];
    gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

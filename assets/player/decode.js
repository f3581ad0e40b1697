// From bytes to a movie: the layout is described in core/figures/payload.py.

const LOST = { 12: 4095, 13: 8191 };
const ELEMENTS = { u1: Uint8Array, i1: Int8Array, u2: Uint16Array, f4: Float32Array };

async function inflate(raw) {
  const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function unpackPairs(raw, count) {
  const codes = new Uint16Array(2 * count);
  for (let i = 0, j = 0; j < 2 * count; i += 3, j += 2) {
    codes[j] = raw[i] | ((raw[i + 1] & 15) << 8);
    codes[j + 1] = (raw[i + 1] >> 4) | (raw[i + 2] << 4);
  }
  return codes;
}

/** Steps between frames, or the changes of those (order 2), -> what they add up to; frame by frame, modulo the size of a code. */
function addUp(raw, spec) {
  const count = spec.shape.reduce((all, n) => all * n, 1);
  const wide = spec.type === "u2";
  const codes = wide ? new Uint16Array(count) : raw;
  if (wide) {
    for (let i = 0; i < count; i++) {
      const code = raw[i] | (raw[count + i] << 8);
      codes[i] = (code >> 1) ^ -(code & 1);
    }
  }
  const frame = count / spec.shape[0];
  for (let order = 0; order < spec.order; order++) {
    for (let i = frame; i < count; i++) codes[i] += codes[i - frame];
  }
  return spec.type === "i1" ? new Int8Array(codes.buffer, codes.byteOffset, count) : codes;
}

async function readBlock(body, spec) {
  const raw = body.subarray(spec.at, spec.at + spec.bytes);
  if (spec.order) return addUp(await inflate(raw), spec);
  if (spec.type === "xy12") return unpackPairs(raw, spec.shape[0] * spec.shape[1]);
  return typed(ELEMENTS[spec.type], raw);
}

/** {header, body} -> movie: typed arrays by panel, plus what only the browser needs. */
async function decodeMovie({ header, body }) {
  const flat = header.mode === "1d";
  const bits = flat ? 13 : 12;
  const scale = 1 << (bits - 12);
  const movie = {
    ...header, flat, image: header.mode === "image", dim: flat ? 1 : 2, lost: LOST[bits],
    view: header.view * scale, margin: header.margin * scale,
    clock: await readBlock(body, header.times),
  };
  movie.panels = await Promise.all(header.panels.map(async (spec) => {
    const panel = { ...spec, codes: spec.image ? new Uint16Array(0) : await readBlock(body, spec.positions), histograms: [] };
    if (spec.image) {
      const [, rows, columns] = spec.image.shape;
      panel.image = { rows, columns, keys: spec.image_keys, data: await readBlock(body, spec.image) };
    }
    for (const name of ["labels", "values"]) if (spec[name]) panel[name] = await readBlock(body, spec[name]);
    if (spec.density) {
      const [, rows, columns] = spec.density.shape;
      panel.density = { rows, columns, keys: spec.density_keys, data: await readBlock(body, spec.density) };
    }
    if (spec.arrows) {
      const [, rows, columns] = spec.arrows.shape;
      panel.arrows = { rows, columns, keys: spec.arrow_keys, data: await readBlock(body, spec.arrows) };
    }
    panel.exact = {};
    for (const [axis, curve] of Object.entries(spec.marginals || {})) {
      const [frames, points] = curve.q.shape;
      const peaks = await readBlock(body, curve.scale);
      panel.exact[axis] = { frames, points, q: await readBlock(body, curve.q), peaks };
    }
    panel.starts = startRanks(panel.codes, panel.n, movie);
    return panel;
  }));
  return movie;
}

/** Where particle i is along an axis at a stored frame; NaN when it is gone. One outside the view and its margin stands at the margin's end. */
function positionOf({ bounds, dim, view, margin, lost }, { codes, n }, frame, i, axis) {
  const code = codes[(frame * n + i) * dim + axis];
  const [low, high] = bounds.slice(2 * axis, 2 * axis + 2);
  return code === lost ? NaN : low + ((code - margin) / view) * (high - low);
}

/** Mean and standard deviation along an axis of the particles that are still there; NaN without any. */
function momentsOf(movie, panel, frame, axis) {
  let [count, sum, squares] = [0, 0, 0];
  for (let i = 0; i < panel.n; i++) {
    const at = positionOf(movie, panel, frame, i, axis);
    if (Number.isNaN(at)) continue;
    count++;
    sum += at;
    squares += at * at;
  }
  const mean = sum / count;
  return { mean, spread: Math.sqrt(Math.max(0, squares / count - mean * mean)) };
}

/** Rank (0..255) of each particle's first coordinate; null when all start at nearly the same place. */
function startRanks(codes, n, movie) {
  const first = new Float64Array(n);
  for (let i = 0; i < n; i++) first[i] = codes[i * movie.dim];
  const order = Array.from(first.keys()).sort((i, j) => first[i] - first[j]);
  if (n < 2 || first[order[n - 1]] - first[order[0]] < 0.01 * movie.view) return null;
  const ranks = new Uint8Array(n);
  order.forEach((particle, rank) => { ranks[particle] = Math.round((255 * rank) / (n - 1)); });
  return ranks;
}

/** Where `frame` lies among the stored key frames: [index, next index, fraction]. */
function between(keys, frame) {
  if (keys.length === 1) return [0, 0, 0];
  let high = keys.findIndex((key) => key > frame);
  if (high < 0) return [keys.length - 1, keys.length - 1, 0];
  return [high - 1, high, (frame - keys[high - 1]) / (keys[high] - keys[high - 1])];
}

/** Histogram of one stored frame along each axis, as densities in units of 1 / view width; counted once. */
function histogram(movie, panel, frame) {
  if (panel.histograms[frame]) return panel.histograms[frame];
  const { n, codes } = panel;
  const { dim, view, margin, lost } = movie;
  const bins = n < 400 ? 30 : n < 3000 ? 45 : 60;             // all divide the 3600 levels of the view
  const width = view / bins;
  const axes = Array.from({ length: dim }, () => new Float32Array(bins));
  let outside = 0;
  let missing = 0;
  for (let i = 0, at = frame * n * dim; i < n; i++, at += dim) {
    let inside = true;
    let finite = true;
    for (let axis = 0; axis < dim; axis++) {
      const code = codes[at + axis];
      if (code === lost) finite = false;
      else if (code < margin || code > margin + view) inside = false;
      else axes[axis][Math.min(bins - 1, Math.floor((code - margin) / width))] += bins / n;
    }
    if (!finite) missing++;
    else if (!inside) outside++;
  }
  const result = { bins, axes, outside, missing, peaks: axes.map((heights) => Math.max(...heights)) };
  panel.histograms[frame] = result;
  return result;
}

// The stage around the points: where panels lie, axes, titles, and the strips with histograms and exact curves.

/** Round numbers between low and high (either order), about `wanted` of them. */
function ticks(low, high, wanted) {
  const [from, to] = low < high ? [low, high] : [high, low];
  const rough = (to - from) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((m) => m * power >= rough * 0.999) ?? 10);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + 1e-9 * step; i++) {
    const value = i * step;
    const big = Math.abs(value) >= 1e5 || (step < 1e-4 && value !== 0);
    found.push({ value, text: (big ? value.toExponential(1) : value.toFixed(Math.min(digits, 6))).replace("-", "\u2212") });
  }
  return found;
}

/** Rows and columns for `count` panels on a stage of this width. */
function gridShape(count, width) {
  const columns = width < 640 ? 1 : count === 4 ? 2 : count;
  return { columns, rows: Math.ceil(count / columns) };
}

/** Height the panels want on a narrow screen, where the page decides nothing but the width. */
function narrowHeight(movie, width, type) {
  const one = movie.flat ? Math.max(260, width * 0.78) : Math.min(width, 460) * 0.86 + 4 * type;
  return Math.round(one * movie.panels.length);
}

/** Rectangles in CSS pixels for every panel: plot, top and side strips (null when hidden). */
function layOut(movie, width, height, type, strips) {
  const { columns, rows } = gridShape(movie.panels.length, width);
  const cell = { w: width / columns, h: height / rows };
  const titled = movie.panels.some((panel) => panel.title);
  const left = type * (movie.y ? 4.1 : 2.9);
  const bottom = type * (movie.flat ? movie.x || movie.time : movie.x) ? type * 3.1 : type * 1.9;
  const above = titled ? type * 1.9 : type * 0.7;
  const side = strips ? Math.round(movie.flat ? Math.min(130, Math.max(64, cell.w * 0.18)) : Math.min(64, Math.max(40, cell.w * 0.09))) : 0;
  const roof = strips && !movie.flat ? Math.min(64, Math.max(36, cell.h * 0.12)) : 0;
  const gap = strips ? 6 : 0;
  return movie.panels.map((panel, i) => {
    const x0 = (i % columns) * cell.w;
    const y0 = Math.floor(i / columns) * cell.h;
    const right = type * 0.9;
    let w = Math.max(40, cell.w - left - side - gap - right);
    let h = Math.max(40, cell.h - above - roof - (roof ? gap : 0) - bottom);
    if (movie.equal && !movie.flat) {
      const [xl, xh, yl, yh] = movie.bounds;
      const unit = Math.min(w / (xh - xl), h / (yh - yl));
      w = unit * (xh - xl);
      h = unit * (yh - yl);
    }
    const spare = cell.w - left - side - gap - right - w;
    const low = cell.h - above - roof - (roof ? gap : 0) - bottom - h;
    const x = Math.round(x0 + left + spare / 2);
    const y = Math.round(y0 + above + roof + (roof ? gap : 0) + low / 2);
    const plot = { x, y, w: Math.round(w), h: Math.round(h) };
    return {
      plot,
      top: roof ? { x: plot.x, y: plot.y - gap - roof, w: plot.w, h: roof } : null,
      side: side ? { x: plot.x + plot.w + gap, y: plot.y, w: side, h: plot.h } : null,
      title: { x: plot.x, y: plot.y - (roof ? gap + roof : 0) - type * 0.7 },
    };
  });
}

/** Device-pixel rectangle with its origin at the bottom, for WebGL. */
function glRect({ x, y, w, h }, ratio, canvasHeight) {
  return { x: Math.round(x * ratio), y: canvasHeight - Math.round((y + h) * ratio), w: Math.round(w * ratio), h: Math.round(h * ratio) };
}

/** Axes, ticks, titles: drawn once per size, theme and payload. */
function drawAxes(ctx, movie, places, { ink, muted, grid, font, type }) {
  const times = movie.clock;
  places.forEach(({ plot, title, top, side }, i) => {
    const { x, y, w, h } = plot;
    const flatTime = [times[0], times[times.length - 1]];
    const [xl, xh] = movie.flat ? (flatTime[0] === flatTime[1] ? [flatTime[0], flatTime[0] + 1] : flatTime) : movie.bounds;
    const [yl, yh] = movie.flat ? movie.bounds : movie.bounds.slice(2);
    ctx.lineWidth = 1;
    ctx.strokeStyle = grid;
    ctx.fillStyle = muted;
    ctx.font = `${type}px ${font}`;
    ctx.textAlign = "center";
    ctx.textBaseline = "top";
    ctx.beginPath();
    for (const tick of ticks(xl, xh, w / (type * 5.2))) {
      const at = Math.round(x + ((tick.value - xl) / (xh - xl)) * w) + 0.5;
      ctx.moveTo(at, y);
      ctx.lineTo(at, y + h + 4);
      ctx.fillText(tick.text, at, y + h + 6);
    }
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    for (const tick of ticks(yl, yh, h / (type * 3.6))) {
      const at = Math.round(y + h - ((tick.value - yl) / (yh - yl)) * h) + 0.5;
      ctx.moveTo(x - 4, at);
      ctx.lineTo(x + w, at);
      ctx.fillText(tick.text, x - 7, at);
    }
    ctx.stroke();
    ctx.beginPath();
    if (top) { ctx.moveTo(top.x, top.y + top.h + 0.5); ctx.lineTo(top.x + top.w, top.y + top.h + 0.5); }
    if (side) { ctx.moveTo(side.x - 0.5, side.y); ctx.lineTo(side.x - 0.5, side.y + side.h); }
    ctx.rect(x - 0.5, y - 0.5, w + 1, h + 1);
    ctx.stroke();
    ctx.fillStyle = ink;
    ctx.textAlign = "center";
    ctx.textBaseline = "alphabetic";
    const bottom = movie.flat ? movie.x || movie.time : movie.x;
    if (bottom) ctx.fillText(bottom, x + w / 2, y + h + type * 2.75);
    if (movie.y) {
      ctx.save();
      ctx.translate(x - type * 3.1, y + h / 2);
      ctx.rotate(-Math.PI / 2);
      ctx.fillText(movie.y, 0, 0);
      ctx.restore();
    }
    if (movie.panels[i].title) {
      ctx.font = `600 ${type * 1.08}px ${font}`;
      ctx.textAlign = "left";
      ctx.fillText(fitText(ctx, movie.panels[i].title, w + (side ? side.w : 0)), title.x, title.y);
    }
  });
}

function fitText(ctx, text, width) {
  if (ctx.measureText(text).width <= width) return text;
  let cut = text.length;
  while (cut > 1 && ctx.measureText(text.slice(0, cut) + "\u2026").width > width) cut--;
  return text.slice(0, cut).trimEnd() + "\u2026";
}

/** Heights of the exact curve of one axis at a stored frame, in units of 1 / view width. */
function exactCurve(movie, panel, name, frame) {
  const curve = panel.exact[name];
  if (!curve) return null;
  const at = curve.frames === 1 ? 0 : frame;
  const i = name === "x" ? 0 : 2;
  const unit = ((movie.bounds[i + 1] - movie.bounds[i]) * curve.peaks[at]) / 65535;
  return { points: curve.points, at: (k) => curve.q[at * curve.points + k] * unit, peak: 65535 * unit };
}

/** The density at which a strip is full: between this frame's own peak and the highest of the movie. */
function stripScale(movie, panel, axis, frame) {
  panel.scales = panel.scales || [];
  if (!panel.scales[axis]) {
    const name = axis ? "y" : "x";
    const peaks = Array.from({ length: movie.frames }, (_, t) => {
      const exact = exactCurve(movie, panel, name, t);
      const seen = histogram(movie, panel, t).peaks[axis];
      return exact ? Math.max(exact.peak, Math.min(seen, 1.6 * exact.peak)) : seen;
    });
    const middle = [...peaks].sort((a, b) => a - b)[peaks.length >> 1];
    const top = Math.min(Math.max(...peaks), 6 * middle);
    panel.scales[axis] = peaks.map((peak) => (Math.max(peak, 1e-9) ** 0.7 * Math.max(top, peak, 1e-9) ** 0.3) * 1.06);
  }
  return panel.scales[axis][frame];
}

/** What moves in the strips: bars of the sample, the exact curve over them. */
function drawStrips(ctx, movie, places, { frame, fills, exact, muted, font, type, roles }) {
  const now = Math.floor(frame);
  const next = Math.min(now + 1, movie.frames - 1);
  const part = frame - now;
  const mix = (a, b) => a + part * (b - a);
  movie.panels.forEach((panel, i) => {
    const { plot, top, side } = places[i];
    const from = histogram(movie, panel, now);
    const to = histogram(movie, panel, next);
    const strips = movie.flat ? [[side, 0, true]] : [[top, 0, false], [side, 1, true]];
    for (const [box, axis, upright] of strips) {
      if (!box) continue;
      const name = axis ? "y" : "x";
      const scale = mix(stripScale(movie, panel, axis, now), stripScale(movie, panel, axis, next));
      const [long, tall] = upright ? [box.h, box.w] : [box.w, box.h];
      const point = upright ? (u, v) => [box.x + v * tall, box.y + long * (1 - u)] : (u, v) => [box.x + u * long, box.y + tall * (1 - v)];
      ctx.save();
      ctx.beginPath();
      ctx.rect(box.x, box.y - (upright ? 0 : 1), box.w + 1, box.h + 1);
      ctx.clip();
      ctx.beginPath();
      for (let k = 0; k < from.bins; k++) {
        const v = mix(from.axes[axis][k], to.axes[axis][k]) / scale;
        if (v <= 0) continue;
        const [xa, ya] = point(k / from.bins, v);
        const [xb, yb] = point((k + 1) / from.bins, 0);
        ctx.rect(Math.min(xa, xb), Math.min(ya, yb), Math.abs(xb - xa) - (upright ? 0 : 0.6), Math.abs(yb - ya) - (upright ? 0.6 : 0));
      }
      ctx.fillStyle = fills[i];
      ctx.fill();
      const a = exactCurve(movie, panel, name, now);
      const b = exactCurve(movie, panel, name, next);
      if (a) {
        ctx.beginPath();
        for (let k = 0; k < a.points; k++) ctx.lineTo(...point(k / (a.points - 1), mix(a.at(k), b.at(k)) / scale));
        ctx.strokeStyle = exact;
        ctx.lineWidth = 2;
        ctx.lineJoin = "round";
        ctx.stroke();
      }
      ctx.restore();
    }
    const notes = [];
    if (from.outside) notes.push(`${from.outside.toLocaleString("en")} outside the view`);
    if (from.missing) notes.push(`${from.missing.toLocaleString("en")} no longer a number`);
    if (notes.length) {
      ctx.font = `${type * 0.92}px ${font}`;
      ctx.textAlign = "left";
      ctx.textBaseline = "top";
      const text = notes.join(", ");
      ctx.fillStyle = roles.background;
      ctx.globalAlpha = 0.8;
      ctx.fillRect(plot.x + 4, plot.y + 4, ctx.measureText(text).width + 8, type * 1.45);
      ctx.globalAlpha = 1;
      ctx.fillStyle = muted;
      ctx.fillText(text, plot.x + 8, plot.y + 4 + type * 0.3);
    }
  });
}

/** Without WebGL2: the same moment with canvas arcs; no density, arrows or trails. */
class FlatRenderer {
  constructor(canvas) {
    this.name = "2d";
    this.canvas = canvas;
    this.ctx = canvas.getContext("2d");
    this.colors = [];
  }

  setMovie(movie) { this.movie = movie; }

  setColors(index, { indices, ramp }) { this.colors[index] = { indices, ramp }; }

  resize(width, height) {
    this.canvas.width = width;
    this.canvas.height = height;
  }

  draw({ frame, rects, size, alpha, pixelRatio }) {
    const { ctx, movie } = this;
    const { dim, view, margin, lost, flat } = movie;
    const height = this.canvas.height;
    const now = Math.round(frame);
    ctx.clearRect(0, 0, this.canvas.width, height);
    movie.panels.forEach((panel, p) => {
      const rect = rects[p];
      const { indices, ramp } = this.colors[p];
      const y0 = height - rect.y - rect.h;
      const place = (t, i) => {
        const code = panel.codes.subarray((t * panel.n + i) * dim, (t * panel.n + i + 1) * dim);
        const unit = Array.from(code, (c) => (c === lost ? NaN : (c - margin) / view));
        const across = flat ? t / Math.max(1, movie.frames - 1) : unit[0];
        return [rect.x + across * rect.w, y0 + rect.h * (1 - unit[dim - 1])];
      };
      ctx.save();
      ctx.beginPath();
      ctx.rect(rect.x, y0, rect.w, rect.h);
      ctx.clip();
      const color = (i) => `rgb(${ramp[4 * indices[i]]},${ramp[4 * indices[i] + 1]},${ramp[4 * indices[i] + 2]})`;
      if (flat) {
        ctx.globalAlpha = 0.25;
        ctx.lineWidth = pixelRatio;
        for (const i of pick(panel.n, 80)) {
          ctx.strokeStyle = color(i);
          ctx.beginPath();
          for (let t = 0; t <= now; t++) ctx.lineTo(...place(t, i));
          ctx.stroke();
        }
      }
      ctx.globalAlpha = alpha;
      const radius = size(panel.n) / 2;
      for (let i = 0; i < panel.n; i++) {
        const [x, y] = place(now, i);
        if (!(x >= rect.x && y >= y0)) continue;
        ctx.fillStyle = color(i);
        ctx.beginPath();
        ctx.arc(x, y, radius, 0, 7);
        ctx.fill();
      }
      ctx.restore();
    });
  }

  dispose() {}
}

// The stage around the points: where panels lie, axes, titles, and the strips with histograms and exact curves.

/** Round numbers between low and high (either order), about `wanted` of them. */
function ticks(low, high, wanted) {
  const [from, to] = low < high ? [low, high] : [high, low];
  const rough = (to - from) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((m) => m * power >= rough * 0.62) ?? 10);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + 1e-9 * step; i++) {
    const value = i * step;
    const big = Math.abs(value) >= 1e5 || (step < 1e-4 && value !== 0);
    found.push({ value, text: (big ? value.toExponential(1) : value.toFixed(Math.min(digits, 6))).replace("-", "\u2212") });
  }
  return found;
}

/** Places on the stage: one for each panel, or one for all. */
const plotCount = (movie) => (movie.overlay ? 1 : movie.panels.length);

/** Rows and columns of panels on a stage of this width; panels without histograms can be small. */
function gridShape(movie, width) {
  const count = plotCount(movie);
  const full = count > 4 ? 3 : count === 4 ? 2 : count;
  const columns = width >= (movie.strips ? 640 : 160 * Math.min(count, 4)) ? full : count > 4 && !movie.strips ? 2 : 1;
  return { columns, rows: Math.ceil(count / columns) };
}

/** How large the plots of a cell become, and the rows and columns that make them largest on a stage of this width and height. */
function bestGrid(movie, width, height, type, strips) {
  const count = plotCount(movie);
  const [xl, xh, yl, yh] = movie.equal && !movie.flat ? movie.bounds : [0, 1.4, 0, 1];
  const grids = Array.from({ length: count }, (_, k) => {
    const [columns, rows] = [k + 1, Math.ceil(count / (k + 1))];
    const cell = { w: width / columns, h: height / rows };
    const m = margins(movie, cell, type, strips);
    const size = Math.min((cell.w - m.left - m.side - m.gap - m.right) / (xh - xl), (cell.h - m.above - m.over - m.bottom) / (yh - yl));
    return { columns, rows, plot: size * Math.min(xh - xl, yh - yl) };
  });
  return grids.reduce((best, grid) => (grid.plot > best.plot + 1 ? grid : best));
}

/** A title in one line of `room` pixels or in two; what is too long even then ends in an ellipsis. */
function titleLines(text, room, type) {
  const fits = Math.floor(room / (type * 0.5));
  const cut = (words) => (words.length > fits ? words.slice(0, fits - 1).trimEnd() + "\u2026" : words);
  const at = text.lastIndexOf(" ", fits);
  return text.length <= fits || at < 1 ? [cut(text)] : [text.slice(0, at), cut(text.slice(at + 1))];
}

/** Where a title stands: over its plot, further left where it would not fit into the lines that margins() keeps for it. */
function titlePlace(text, plot, from, to, y, type) {
  const longest = Math.max(0, ...titleLines(text || "", to - from, type).map((line) => line.length));
  return { x: Math.max(from, Math.min(plot, to - longest * type * 0.58)), y, room: to - from };
}

/** How many lines the longest title takes; 0 without titles. */
function titleRows(movie, room, type) {
  return Math.max(...movie.panels.slice(0, plotCount(movie)).map(({ title }) => (title ? titleLines(title, room, type).length : 0)));
}

/** Height the panels want on a narrow screen, where the page decides nothing but the width. */
function narrowHeight(movie, width, type) {
  const { columns, rows } = gridShape(movie, width);
  const one = movie.flat ? Math.max(260, width * 0.78) : Math.min(width / columns, 460) * 0.86 + 4 * type;
  return Math.round(one * rows);
}

/** Space around the plots of one cell, in CSS pixels. */
function margins(movie, cell, type, strips) {
  const left = movie.image ? type : type * (movie.y ? 3.8 : 2.7);
  const right = movie.image ? type : type * 0.9;
  const rows = titleRows(movie, cell.w - left - right, type);
  const above = rows ? type * (0.6 + 1.3 * rows) : type * 0.7;
  if (movie.image) return { left, right, gap: 0, side: 0, roof: 0, above, over: 0, bottom: type * 0.7 };
  const gap = strips ? 6 : 0;
  const side = movie.flat ? Math.min(130, Math.max(50, cell.w * 0.16)) : Math.min(64, Math.max(40, cell.w * 0.09));
  const roof = strips && !movie.flat ? Math.min(64, Math.max(36, cell.h * 0.12)) : 0;
  return {
    left, right, above, gap, side: strips ? Math.round(side) : 0, roof, over: roof ? roof + gap : 0,
    bottom: type * ((movie.flat ? movie.x || movie.time : movie.x) ? 3.35 : 1.9),
  };
}

/** Height that plots of true proportions can use at this width; at most what there is. */
function usedHeight(movie, width, height, type, strips) {
  if (movie.flat || !movie.equal) return height;
  const { columns, rows } = gridShape(movie, width);
  const m = margins(movie, { w: width / columns, h: height / rows }, type, strips);
  const [xl, xh, yl, yh] = movie.bounds;
  const plot = ((width / columns - m.left - m.side - m.gap - m.right) * (yh - yl)) / (xh - xl);
  return Math.min(height, Math.ceil(rows * (m.above + m.over + plot + m.bottom)));
}

/** Rectangles in CSS pixels for every panel: plot, top and side strips (null when hidden). */
function layOut(movie, width, height, type, strips, { columns, rows }) {
  const cell = { w: width / columns, h: height / rows };
  const { left, right, bottom, above, side, roof, gap, over } = margins(movie, cell, type, strips);
  return movie.panels.map((panel, k) => {
    const i = movie.overlay ? 0 : k;
    const x0 = (i % columns) * cell.w;
    const y0 = Math.floor(i / columns) * cell.h;
    let w = Math.max(40, cell.w - left - side - gap - right);
    let h = Math.max(40, cell.h - above - over - bottom);
    if (movie.equal && !movie.flat) {
      const [xl, xh, yl, yh] = movie.bounds;
      const unit = Math.min(w / (xh - xl), h / (yh - yl));
      w = unit * (xh - xl);
      h = unit * (yh - yl);
    }
    const spare = cell.w - left - side - gap - right - w;
    const low = cell.h - above - over - bottom - h;
    const x = Math.round(x0 + left + spare / 2);
    const y = Math.round(y0 + above + over + low / 2);
    const plot = { x, y, w: Math.round(w), h: Math.round(h) };
    return {
      plot,
      top: roof ? { x: plot.x, y: plot.y - gap - roof, w: plot.w, h: roof } : null,
      side: side ? { x: plot.x + plot.w + gap, y: plot.y, w: side, h: plot.h } : null,
      title: titlePlace(panel.title, plot.x, x0 + left, x0 + cell.w - right, plot.y - over - type * 0.7, type),
    };
  });
}

/** The box around everything that moves, in CSS pixels on whole device pixels. */
function boundingBox(places) {
  const boxes = places.flatMap(({ plot, top, side }) => [plot, top, side].filter(Boolean));
  const x = Math.min(...boxes.map((b) => b.x));
  const y = Math.min(...boxes.map((b) => b.y));
  return { x, y, w: Math.max(...boxes.map((b) => b.x + b.w)) - x, h: Math.max(...boxes.map((b) => b.y + b.h)) - y };
}

/** Device-pixel rectangle in a canvas that covers `box`, origin at the bottom, for WebGL; null stays null. */
function glRect(rect, ratio, box, canvasHeight) {
  if (!rect) return null;
  const x = Math.round((rect.x - box.x) * ratio);
  const y = canvasHeight - Math.round((rect.y - box.y + rect.h) * ratio);
  return { x, y, w: Math.round(rect.w * ratio), h: Math.round(rect.h * ratio) };
}

function svg(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Marks of the vertical axis: numbers, or as many of the payload's own words as there is room for. */
function rowTicks({ y_ticks: words = [] }, low, high, room) {
  const every = Math.max(1, Math.ceil(words.length / room));
  return words.length ? words.filter((_, k) => k % every === 0) : ticks(low, high, room);
}

/** Axes, ticks, titles: an SVG under the canvas, built once per size, theme and payload. */
function drawAxes(root, movie, places, { ink, muted, grid, type }) {
  const parts = [];
  const say = (text, x, y, more) => parts.push(svg("text", { x, y, "font-size": type, fill: muted, "text-anchor": "middle", ...more }, text));
  const times = [movie.clock[0], movie.clock[movie.frames - 1]];
  places.slice(0, plotCount(movie)).forEach(({ plot: { x, y, w, h }, title, top, side }, i) => {
    const [xl, xh] = !movie.flat ? movie.bounds : times[0] === times[1] ? [times[0], times[0] + 1] : times;
    const [yl, yh] = movie.flat ? movie.bounds : movie.bounds.slice(2);
    let lines = "";
    for (const tick of movie.image ? [] : ticks(xl, xh, Math.min(9, w / (type * 5.2)))) {
      const at = Math.round(x + ((tick.value - xl) / (xh - xl)) * w) + 0.5;
      lines += `M${at} ${y}V${y + h + 4}`;
      say(tick.text, at, y + h + type * 1.35);
    }
    for (const tick of movie.image ? [] : rowTicks(movie, yl, yh, Math.min(8, h / (type * 3.6)))) {
      const at = Math.round(y + h - ((tick.value - yl) / (yh - yl)) * h) + 0.5;
      lines += `M${x - 4} ${at}H${x + w}`;
      say(tick.text, x - 7, at + type * 0.35, { "text-anchor": "end" });
    }
    if (top) lines += `M${top.x} ${top.y + top.h + 0.5}h${top.w}`;
    if (side) lines += `M${side.x - 0.5} ${side.y}v${side.h}`;
    if (!movie.image) lines += `M${x - 0.5} ${y - 0.5}h${w + 1}v${h + 1}h${-w - 1}z`;
    parts.push(svg("path", { d: lines, stroke: grid, fill: "none" }));
    const bottom = movie.flat ? movie.x || movie.time : movie.x;
    if (bottom) say(bottom, x + w / 2, y + h + type * 2.75, { fill: ink });
    if (movie.y) say(movie.y, 0, 0, { fill: ink, transform: `translate(${x - type * 2.9} ${y + h / 2}) rotate(-90)` });
    const { title: text } = movie.panels[i];
    if (text) {
      const rows = titleLines(text, title.room, type);
      rows.forEach((row, k) => say(row, title.x, title.y - (rows.length - 1 - k) * type * 1.3,
        { fill: ink, "text-anchor": "start", "font-weight": 600, "font-size": type * 1.08 }));
    }
  });
  root.replaceChildren(...parts);
}

/** The exact curve of one axis at a stored frame: {q, from, points, unit}; its heights in units of 1 / view width are q[from + k] * unit. */
function exactCurve(movie, panel, name, frame) {
  const curve = panel.exact[name];
  if (!curve) return null;
  const at = curve.frames === 1 ? 0 : frame;
  const i = name === "x" ? 0 : 2;
  return { q: curve.q, from: at * curve.points, points: curve.points, unit: ((movie.bounds[i + 1] - movie.bounds[i]) * curve.peaks[at]) / 65535 };
}

/** The density at which a strip is full: between this frame's own peak and the highest of the movie. */
function stripScale(movie, panel, axis, frame) {
  panel.scales = panel.scales || [];
  if (!panel.scales[axis]) {
    const name = axis ? "y" : "x";
    const peaks = Array.from({ length: movie.frames }, (_, t) => {
      const exact = exactCurve(movie, panel, name, t);
      const seen = histogram(movie, panel, t).peaks[axis];
      const peak = exact ? 65535 * exact.unit : 0;
      return exact ? Math.max(peak, Math.min(seen, 1.6 * peak)) : seen;
    });
    const middle = [...peaks].sort((a, b) => a - b)[peaks.length >> 1];
    const top = Math.min(Math.max(...peaks), 6 * middle);
    panel.scales[axis] = peaks.map((peak) => (Math.max(peak, 1e-9) ** 0.7 * Math.max(top, peak, 1e-9) ** 0.3) * 1.06);
  }
  return panel.scales[axis][frame];
}

/** What moves in one strip: heights (1 = full) of the sample's bars and of the exact curve, at any moment. */
function stripShapes(movie, panel, axis, frame) {
  const now = Math.floor(frame);
  const next = Math.min(now + 1, movie.frames - 1);
  const part = frame - now;
  const name = axis ? "y" : "x";
  const [scale, scaleNext] = [stripScale(movie, panel, axis, now), stripScale(movie, panel, axis, next)];
  const full = scale + part * (scaleNext - scale);
  const from = histogram(movie, panel, now).axes[axis];
  const to = histogram(movie, panel, next).axes[axis];
  const bars = new Float32Array(from.length);
  for (let k = 0; k < bars.length; k++) bars[k] = (from[k] + part * (to[k] - from[k])) / full;
  const a = exactCurve(movie, panel, name, now);
  if (!a) return { bars, curve: null };
  const b = exactCurve(movie, panel, name, next);
  const [early, late] = [((1 - part) * a.unit) / full, (part * b.unit) / full];
  const curve = new Float32Array(a.points);
  for (let k = 0; k < curve.length; k++) curve[k] = early * a.q[a.from + k] + late * b.q[b.from + k];
  return { bars, curve };
}

/** The strips of a panel: [rectangle, axis, upright]. */
function stripsOf(movie, { top, side }) {
  return (movie.flat ? [[side, 0, true]] : [[top, 0, false], [side, 1, true]]).filter(([rect]) => rect);
}

/** Particles that the frame does not show, in words; empty when all are in it. */
function missingNote(movie, panel, frame) {
  if (movie.image) return "";
  const { outside, missing } = histogram(movie, panel, Math.floor(frame));
  const notes = [];
  if (outside) notes.push(`${outside.toLocaleString("en")} outside the view`);
  if (missing) notes.push(`${missing.toLocaleString("en")} no longer a number`);
  return notes.join(", ");
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

  drawnPaths(index) { return { count: Math.min(MOST_PATHS, this.movie.panels[index].n), frames: Infinity }; }

  draw({ frame, rects, strips, colors, size, alpha, pixelRatio, strength }) {
    const { ctx, movie } = this;
    const { dim, view, margin, lost, flat } = movie;
    const height = this.canvas.height;
    const now = Math.round(frame);
    ctx.clearRect(0, 0, this.canvas.width, height);
    movie.panels.forEach((panel, p) => {
      const rect = rects[p];
      const { indices, ramp } = this.colors[p];
      const y0 = height - rect.y - rect.h;
      if (panel.image) {
        this.drawImage(panel.image, ramp, now, [rect.x, y0, rect.w, rect.h]);
        return;
      }
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
        ctx.globalAlpha = 0.25 * strength("particles", panel.role);
        ctx.lineWidth = pixelRatio;
        for (const i of pick(panel.n, MOST_PATHS)) {
          ctx.strokeStyle = color(i);
          ctx.beginPath();
          for (let t = 0; t <= now; t++) ctx.lineTo(...place(t, i));
          ctx.stroke();
        }
      }
      ctx.globalAlpha = alpha * strength("particles", panel.role);
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
      for (const [box, axis, upright] of strips[p]) {
        const { bars, curve } = stripShapes(movie, panel, axis, frame);
        const top = height - box.y - box.h;
        const point = (u, v) => (upright ? [box.x + v * box.w, top + box.h * (1 - u)] : [box.x + u * box.w, top + box.h * (1 - v)]);
        ctx.beginPath();
        bars.forEach((v, k) => {
          const [[x, y], [x1, y1]] = [point(k / bars.length, 0), point((k + 1) / bars.length, Math.min(1, v))];
          ctx.rect(x, y, x1 - x, y1 - y);
        });
        ctx.fillStyle = css(colors.roles[p], colors.bar * strength("particles", panel.role));
        ctx.fill();
        if (!curve) continue;
        ctx.beginPath();
        curve.forEach((v, k) => ctx.lineTo(...point(k / (curve.length - 1), Math.min(1, v))));
        ctx.strokeStyle = css(colors.exact, strength("density"));
        ctx.lineWidth = 2 * pixelRatio;
        ctx.stroke();
      }
    });
  }

  /** The stored picture nearest to a frame, pixel by pixel, top row first as canvases want it. */
  drawImage({ keys, rows, columns, data }, ramp, now, place) {
    const [from, to, frac] = between(keys, now);
    const start = (frac < 0.5 ? from : to) * rows * columns;
    const pixels = new ImageData(columns, rows);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const code = data[start + (rows - 1 - row) * columns + column];
        if (code) pixels.data.set(ramp.subarray(4 * code, 4 * code + 4), 4 * (row * columns + column));
      }
    }
    const small = element("canvas", { width: columns, height: rows });
    small.getContext("2d").putImageData(pixels, 0, 0);
    this.ctx.imageSmoothingEnabled = false;
    this.ctx.drawImage(small, ...place);
  }

  dispose() {}
}

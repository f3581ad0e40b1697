// What a reader takes along: the stage as a picture and as a film, composed on a canvas of its own with axes, labels and legend.

const FILM_TYPES = ["video/mp4;codecs=avc1.42E01E", "video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm"];     // the first that the browser writes
const FILM_REST_MS = 700;                                     // on the last frame of a film

/** Offer a blob as a file. */
function offer(blob, name) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 30000);
}

/** Name of a file: the page (a chapter's own name) and what of it. */
const fileName = (what) => `${location.pathname.split("/").filter(Boolean).pop() ?? "stage"}-${what}`;

/** One field of a CSV file. */
const csvField = (value) => (/[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value));

/** Words of the page where they stand, relative to `origin` (a DOMRect), with the plate under them and the mark before them. */
function paintWords(ctx, words, origin) {
  for (const one of words) {
    if (!one.offsetWidth && !one.getClientRects().length) continue;
    const box = one.getBoundingClientRect();
    const look = getComputedStyle(one);
    const [x, y] = [box.left - origin.left, box.top - origin.top];
    ctx.fillStyle = look.backgroundColor;
    ctx.fillRect(x, y, box.width, box.height);
    ctx.font = `${look.fontStyle} ${look.fontWeight} ${look.fontSize} ${look.fontFamily}`;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    const lines = one.textContent.split("\n");
    const middle = (k) => y + (box.height * (k + 0.5)) / lines.length;
    let inset = parseFloat(look.paddingLeft) || 0;
    const before = getComputedStyle(one, "::before");
    if (before.content.startsWith('"')) {
      const mark = before.content.slice(1, -1);
      ctx.fillStyle = before.color;
      ctx.fillText(mark, x + inset, middle(0));
      inset += ctx.measureText(mark).width;
    }
    ctx.fillStyle = look.color;
    lines.forEach((line, k) => ctx.fillText(line, x + inset, middle(k)));
  }
}

/** Legend entries as the page shows them. */
function paintLegend(ctx, dom, origin) {
  [...dom.legend.querySelectorAll(".entry")].forEach((entry) => {
    const swatch = entry.querySelector(".swatch");
    const text = document.createRange();
    text.selectNodeContents(entry);
    if (swatch) text.setStartAfter(swatch);
    const at = text.getBoundingClientRect();
    const look = getComputedStyle(entry);
    ctx.font = `${look.fontWeight} ${look.fontSize} ${look.fontFamily}`;
    ctx.fillStyle = look.color;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.fillText(entry.textContent, at.left - origin.left, at.top - origin.top + at.height / 2);
    if (!swatch) return;
    const box = swatch.getBoundingClientRect();
    const [x, y] = [box.left - origin.left, box.top - origin.top];
    const color = swatch.style.getPropertyValue("--swatch");
    const stops = color.startsWith("linear") ? color.match(/rgba?\([^)]*\)/g) : null;
    if (stops) {
      const ramp = ctx.createLinearGradient(x, 0, x + box.width, 0);
      stops.forEach((stop, k) => ramp.addColorStop(k / (stops.length - 1), stop));
      ctx.fillStyle = ramp;
    } else ctx.fillStyle = color;
    ctx.globalAlpha = Number(getComputedStyle(swatch).opacity);
    ctx.beginPath();
    if (swatch.classList.contains("arrow")) {
      [[0, 0.38], [0.55, 0.38], [0.55, 0], [1, 0.5], [0.55, 1], [0.55, 0.62], [0, 0.62]].forEach(([u, v]) => ctx.lineTo(x + u * box.width, y + v * box.height));
    } else ctx.roundRect(x, y, box.width, box.height, /dot/.test(swatch.className) ? box.height / 2 : 2);
    ctx.fill();
    ctx.globalAlpha = 1;
  });
}

/** The axes as drawAxes makes them: paths and texts. */
function paintAxes(ctx, axes, font) {
  for (const part of axes.children) {
    const get = (name) => part.getAttribute(name);
    if (part.tagName === "path") {
      ctx.strokeStyle = get("stroke");
      ctx.lineWidth = 1;
      ctx.stroke(new Path2D(get("d")));
      continue;
    }
    ctx.save();
    const turned = part.transform.baseVal.consolidate()?.matrix;
    if (turned) ctx.transform(turned.a, turned.b, turned.c, turned.d, turned.e, turned.f);
    ctx.font = `${get("font-weight") ?? 400} ${get("font-size")}px ${font}`;
    ctx.textAlign = { middle: "center", end: "right" }[get("text-anchor")] ?? "left";
    ctx.textBaseline = "alphabetic";
    ctx.fillStyle = get("fill");
    ctx.fillText(part.textContent, Number(get("x")), Number(get("y")));
    ctx.restore();
  }
}

/** What a picture says of where it comes from: the title of the page, which has the chapter's number, and of the project. */
const origins = () => [...new Set([document.querySelector("h1")?.innerText.trim(), "From Noise to Crystals"])].filter(Boolean).join(" \u00b7 ");

/** The stage with legend, origin and time on a canvas of its own; `paint` puts the moment shown on it. */
class Sheet {
  constructor(player, ratio) {
    const { root, stage, legend } = player.dom;
    this.player = player;
    this.origin = root.getBoundingClientRect();
    const bottom = stage.getBoundingClientRect().bottom - this.origin.top;
    const [width, height] = [this.origin.width, bottom + 30];
    const even = (length) => 2 * Math.round((length * ratio) / 2);                // encoders of films want even sizes
    const fresh = () => element("canvas", { width: even(width), height: even(height) });
    this.at = (one) => { const box = one.getBoundingClientRect(); return [box.left - this.origin.left, box.top - this.origin.top, box.width, box.height]; };
    this.foot = bottom + 15;
    this.width = width;
    this.canvas = fresh();
    this.backdrop = fresh();
    const ctx = this.backdrop.getContext("2d");
    ctx.fillStyle = css(player.look.background);
    ctx.fillRect(0, 0, this.backdrop.width, this.backdrop.height);
    for (const name of ["canvas", "backdrop"]) this[name].getContext("2d").scale(ratio, ratio);
    const time = getComputedStyle(player.dom.time);
    this.font = `${time.fontSize} ${time.fontFamily}`;
    Object.assign(ctx, { font: this.font, fillStyle: time.color, globalAlpha: 0.75, textAlign: "left", textBaseline: "middle" });
    ctx.fillText(origins(), 8, this.foot);
    ctx.globalAlpha = 1;
    if (legend.offsetHeight) paintLegend(ctx, player.dom, this.origin);
    if (player.dom.axes) {
      const [x, y] = this.at(stage);
      ctx.translate(x, y);
      paintAxes(ctx, player.dom.axes, getComputedStyle(player.dom.axes).fontFamily);
      ctx.translate(-x, -y);
    }
  }

  paint() {
    const { player } = this;
    const ctx = this.canvas.getContext("2d");
    ctx.save();
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.drawImage(this.backdrop, 0, 0);
    ctx.restore();
    const drawn = player.drawnCanvas();
    ctx.drawImage(drawn, ...this.at(drawn));
    paintWords(ctx, player.wordsOnStage(), this.origin);
    if (player.movie.frames < 2) return;
    Object.assign(ctx, { font: this.font, fillStyle: getComputedStyle(player.dom.time).color, textAlign: "right", textBaseline: "middle" });
    ctx.fillText(player.dom.time.textContent, this.width - 8, this.foot);
  }
}

/** One pass of the movie as a film. Throws, in words, where the browser cannot record. */
class Film {
  constructor(player) {
    const type = window.MediaRecorder && HTMLCanvasElement.prototype.captureStream && FILM_TYPES.find((one) => MediaRecorder.isTypeSupported(one));
    if (!type) throw new Error("This browser cannot record films; the picture and the data can still be saved.");
    this.player = player;
    this.sheet = new Sheet(player, 2);
    this.end = type.startsWith("video/mp4") ? "mp4" : "webm";
    this.parts = [];
    this.recorder = new MediaRecorder(this.sheet.canvas.captureStream(30), { mimeType: type, videoBitsPerSecond: 8e6 });
    this.recorder.ondataavailable = ({ data }) => { if (data.size) this.parts.push(data); };
    this.recorder.onstop = () => {
      if (this.parts.length && !this.dropped) offer(new Blob(this.parts, { type: type.split(";")[0] }), fileName(`frames-1-${player.movie.frames}.${this.end}`));
    };
    this.before = { frame: player.frame, playing: player.playing };
  }

  start() {
    this.sheet.paint();
    this.recorder.start(1000);
  }

  /** Stop: saved, or dropped when the stage it shows is gone. */
  stop(dropped = false) {
    this.dropped = dropped;
    if (this.recorder.state !== "inactive") this.recorder.stop();
    for (const track of this.recorder.stream.getTracks()) track.stop();
  }
}

// Colours as [r, g, b] in 0..1.

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255);
const mixed = (a, b, part) => a.map((value, i) => value + part * (b[i] - value));
const hexOf = (color) => `#${color.map((v) => Math.round(255 * v).toString(16).padStart(2, "0")).join("")}`;

/** Any CSS colour -> [r, g, b], by asking the browser. */
function parseColor(text, fallback) {
  const ctx = document.createElement("canvas").getContext("2d");
  ctx.fillStyle = fallback;
  ctx.fillStyle = (text || "").trim() || fallback;
  const found = ctx.fillStyle;
  return found.startsWith("#") ? rgb(found) : found.match(/[\d.]+/g).slice(0, 3).map((v) => v / 255);
}

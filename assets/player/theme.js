// Colours as [r, g, b] in 0..1, and what the page looks like.

const PALETTE = /*PALETTE*/null;

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255);
const mixed = (a, b, part) => a.map((value, i) => value + part * (b[i] - value));
const css = (color, alpha = 1) => `rgba(${color.map((v) => Math.round(255 * v)).join(",")},${alpha})`;
const hexOf = (color) => `#${color.map((v) => Math.round(255 * v).toString(16).padStart(2, "0")).join("")}`;

/** Any CSS colour -> [r, g, b], by asking the browser. */
function parseColor(text, fallback) {
  const ctx = document.createElement("canvas").getContext("2d");
  ctx.fillStyle = fallback;
  ctx.fillStyle = (text || "").trim() || fallback;
  const found = ctx.fillStyle;
  return found.startsWith("#") ? rgb(found) : found.match(/[\d.]+/g).slice(0, 3).map((v) => v / 255);
}

/** Theme and lecture mode (never on a phone) of the page around `root`: {background, dark, lecture, text, font}. */
function readLook(root) {
  const page = getComputedStyle(root);
  const background = parseColor(page.getPropertyValue("--st-background-color"), "#ffffff");
  return {
    background, dark: 0.2126 * background[0] + 0.7152 * background[1] + 0.0722 * background[2] < 0.4,
    lecture: matchMedia("(min-width: 641px)").matches
      && (document.documentElement.dataset.lecture === "1" || new URLSearchParams(location.search).get("mode") === "lecture"),
    text: page.getPropertyValue("--st-text-color"), font: page.getPropertyValue("--st-font"),
  };
}

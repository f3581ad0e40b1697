// Keys of the kit: they press buttons that are on the page, so that mouse and keyboard do the same thing.
// Play, pause and step belong to the players, which listen for themselves.
const PRESS = {
  l: '.st-key-mode button[aria-checked="false"]',
  "?": ".st-key-show_keys button",
  q: ".st-key-show_link button",
  n: ".st-key-nav_next a",
  p: ".st-key-nav_previous a",
};
const TYPING = "input:not([type=range]):not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable=true]";

export default function () {
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.composedPath()[0]?.matches?.(TYPING)) return;
    const selector = /^[1-9]$/.test(event.key) ? `.st-key-scene_${event.key} button` : PRESS[event.key];
    const target = selector && document.querySelector(selector);
    if (target) {
      target.click();
      event.preventDefault();
    }
  };
  document.addEventListener("keydown", onKey);
  document.documentElement.dataset.keys = "ready"; // for whoever has to wait for them
  return () => document.removeEventListener("keydown", onKey);
}

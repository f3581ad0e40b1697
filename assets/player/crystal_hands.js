// What the reader's hands do (pointer, wheel), and the crystal as a table for those who get no picture.

const symbolOf = (z) => ELEMENTS.rows[z][0];

/** Drag to turn, shift or right drag or two fingers to move and zoom, wheel after a click, double click to fit. */
function handleGestures(player, stage, signal) {
  const fingers = new Map();
  let travelled = 0;
  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const on = (name, handler, options = {}) => stage.addEventListener(name, handler, { signal, ...options });
  on("pointerdown", (event) => {
    if (!player.view) return;
    stage.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event));
    if (fingers.size === 1) travelled = 0;
    player.dragging = true;
    player.hover(null);
  });
  on("pointermove", (event) => {
    const { view } = player;
    if (!view?.camera) return;
    const at = place(event);
    const from = fingers.get(event.pointerId);
    if (!from) {
      if (!player.playing) player.hover(...at);
      return;
    }
    const [dx, dy] = [at[0] - from[0], at[1] - from[1]];
    travelled += Math.hypot(dx, dy);
    if (fingers.size > 1) {
      const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
      const gap = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
      view.zoom(gap(from) / gap(at));
      view.shift(dx / 2, dy / 2);
    } else if (event.shiftKey || event.buttons === 2 || event.buttons === 4) view.shift(dx, dy);
    else view.rotate(dx, dy);
    fingers.set(event.pointerId, at);
    player.wake();
  });
  const end = (event) => {
    if (!fingers.delete(event.pointerId) || fingers.size) return;
    player.dragging = false;
    player.wake();
    if (event.type === "pointerup" && travelled < 5 && event.button === 0) {
      const many = player.movie.crystals.length > 1 && player.selected === null;
      const [x, y] = place(event);
      if (player.light(player.view.pick(x, y))) return;
      if (many) {
        const k = player.view.viewportAt(x, y);
        if (k < player.movie.crystals.length) player.select(k, true);
      } else player.hover(x, y);
    }
  };
  on("pointerup", end);
  on("pointercancel", end);
  on("pointerleave", () => { player.hover(null); });
  on("contextmenu", (event) => event.preventDefault());
  on("dblclick", () => { if (player.movie?.crystals.length === 1) player.fit(); });
  on("wheel", (event) => {
    if (!player.view?.camera || !(player.engaged || event.ctrlKey)) return;        // the page scrolls until the reader clicks in
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    player.view.zoom(Math.exp(Math.max(-0.3, Math.min(0.3, event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0012)))));
    player.wake();
  }, { passive: false });
}

/** The last frame of a crystal in words and numbers. */
function crystalTable(crystal, i) {
  const cell = cellAt(crystal, crystal.frames - 1);
  const { rows, volume } = measureCell(cell.lattice);
  const lengths = rows.map((row) => number(norm(row), 3)).join(", ");
  const angles = cellAngles(rows).map((angle) => `${number(angle, 1)}\u00b0`).join(", ");
  const formula = formulaOf(cell.numbers).map(([z, count]) => `${symbolOf(z)}${count}`).join(" ");
  const line = (cells, tag) => element("tr", {}, ...cells.map((text) => element(tag, tag === "th" ? { scope: "col" } : {}, text)));
  const body = [...cell.numbers].map((z, n) => line([symbolOf(z), ...[0, 1, 2].map((k) => number(cell.frac[3 * n + k], 4))], "td"));
  const table = element("table", {}, element("thead", {}, line(["element", "x / a", "y / b", "z / c"], "th")), element("tbody", {}, ...body));
  return element("details", { open: i === 0 }, element("summary", {}, [crystal.title, formula].filter(Boolean).join(": ")),
    element("p", {}, `a, b, c = ${lengths} \u00c5; \u03b1, \u03b2, \u03b3 = ${angles}; volume ${number(volume, 2)} \u00c5\u00b3`), table);
}

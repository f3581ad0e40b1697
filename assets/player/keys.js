// The keyboard of a page: one listener, and one notion of whose turn it is, for all players whatever their script.

const keyboard = (window[Symbol.for("players on this page")] ??= { players: new Set(), touched: null, listener: null });

const WRITING = "input, textarea, select, [contenteditable], [role=slider], [role=textbox], [role=combobox], [role=spinbutton], "
  + "[role=listbox], [role=option], [role=menu], [role=tab], [role=radio], [role=grid]";
const PRESSING = "button, a[href], summary, [role=button], [role=checkbox], [role=switch]";

function joinKeyboard(player) {
  if (!keyboard.players.size) {
    keyboard.listener = onKey;
    document.addEventListener("keydown", onKey);
  }
  keyboard.players.add(player);
}

function leaveKeyboard(player) {
  keyboard.players.delete(player);
  if (keyboard.touched === player) keyboard.touched = null;
  if (!keyboard.players.size) document.removeEventListener("keydown", keyboard.listener);
}

/** Pixels of a player that are in sight. */
function areaInSight({ dom: { root } }) {
  const box = root.getBoundingClientRect();
  const along = (from, to, room) => Math.max(0, Math.min(to, room) - Math.max(from, 0));
  return root.isConnected ? along(box.left, box.right, window.innerWidth) * along(box.top, box.bottom, window.innerHeight) : 0;
}

/**
 * Keys work wherever the focus is, unless it is on something that uses them itself. They go to the player touched last,
 * else to the most visible one; one that has no use for a key leaves it to the next. A key never moves two players.
 */
function onKey(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const focus = event.composedPath()[0];
  if (focus instanceof Element && event.key !== "Escape") {
    if (focus.closest(WRITING)) return;
    if (event.key === " " && focus.closest(PRESSING)) return;
  }
  const { players, touched } = keyboard;
  const inTurn = [...players].filter((player) => player.movie && !player.failed)
    .map((player) => ({ player, area: areaInSight(player), top: player.dom.root.getBoundingClientRect().top }))
    .filter(({ area }) => area > 0)
    .sort((a, b) => (b.player === touched) - (a.player === touched) || b.area - a.area || a.top - b.top);
  if (inTurn.some(({ player }) => player.key(event.key))) event.preventDefault();
}

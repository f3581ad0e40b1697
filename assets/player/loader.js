// All that travels with every payload: where the player's script is. The browser fetches that once.

const SCRIPT = /*SCRIPT*/null;                // path below the app's address
const own = [...document.scripts].map((script) => script.src).find((src) => src.includes("/static/js/"));
const base = own ? own.replace(/static\/js\/.*$/, "") : `${location.origin}/`;
const player = await import(new URL(SCRIPT, base).href);

export default player.default;

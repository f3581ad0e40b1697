// All that travels with every payload, after address.js: where the player's script is. The browser fetches that once.

const SCRIPT = /*SCRIPT*/null;                // path below the app's address
const player = await import(new URL(SCRIPT, APP).href);

export default player.default;

// The history of the browser: chapters and scenes are entries, a move of a control changes the entry in force.
// Streamlit (1.67) pushes an entry for every parameter that Python changes, and one more when a page is left: the old page without its
// settings. Its pushes are sorted here by what the reader has just pressed.
function sortHistory() {
  const sorted = Symbol.for("n2c history");
  if (window[sorted]) return;
  window[sorted] = true;
  const push = history.pushState.bind(history);
  const replace = history.replaceState.bind(history);
  const pressed = { link: false, scene: false };
  let spare = false; // the entry in force is the old page without its settings: the next page takes its place

  const forget = () => { pressed.link = pressed.scene = spare = false; };
  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const way = event.composedPath().filter((node) => node instanceof Element);
    const link = way.find((node) => node.matches("a[href]"));
    if (link) pressed.link = new URL(link.href, location.href).pathname !== location.pathname;
    else if (way.some((node) => node.matches(".st-key-scenes button, .st-key-reset button"))) Object.assign(pressed, { scene: true, link: false });
  }, { capture: true });
  addEventListener("popstate", () => { forget(); stoppedHere(); });

  const fewer = (query) => {
    const before = new URLSearchParams(location.search);
    const after = [...new URLSearchParams(query)];
    return after.length < before.size && after.every(([key, value]) => before.get(key) === value);
  };
  /** The old page without its settings, on its way out. Right after Back, Streamlit would replace the entry that has them. */
  const leave = (state, title, address) => {
    const to = new URL(address ?? "", location.href);
    if (to.pathname !== location.pathname || !pressed.link || !fewer(to.search)) return false;
    (spare ? replace : push)(state, title, address);
    return (spare = true);
  };
  history.pushState = (state, title, address) => {
    if (new URL(address ?? "", location.href).pathname !== location.pathname) {
      (spare ? replace : push)(state, title, address);
      forget();
    } else if (!leave(state, title, address)) {
      (pressed.scene ? push : replace)(state, title, address);
      pressed.scene = false;
    }
    stoppedHere();
  };
  history.replaceState = (state, title, address) => {
    if (!leave(state, title, address)) replace(state, title, address);
    pressed.scene = false;
    stoppedHere();
  };
}

/** Remember the address of a chapter, without what belongs to a lecture. */
function stoppedHere() {
  const { chapter } = page.dataset;
  if (!chapter || !location.pathname.endsWith(`/${chapter}`)) return;
  const query = new URLSearchParams(location.search);
  for (const key of ["mode", "autoplay"]) query.delete(key);
  const progress = kept();
  const last = { chapter, search: String(query) };
  if (JSON.stringify(progress.last) !== JSON.stringify(last)) keep({ ...progress, last });
}

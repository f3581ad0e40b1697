// Search over chapters, headings, symbols and questions, and the contents of the page: both in the browser, nothing is asked of the server.
const MOST = 12; // results
const made = (tag, properties = {}, ...children) => {
  const one = Object.assign(document.createElement(tag), properties);
  one.append(...children);
  return one;
};
const GREEK = ("alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma sigma tau upsilon phi chi psi "
  + "omega").split(" ");
const spelled = (text) => text.replace(/[\u03b1-\u03c9]/g, (letter) => `${letter} ${GREEK[letter.charCodeAt(0) - 0x3b1]} `);
const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

/** Entries of the index [kind, words, slug, anchor] that have every word of the query; those that begin with it, and chapters, first. */
function found(index, query) {
  const asked = folded(query).split(/\s+/).filter(Boolean);
  if (!asked.length) return [];
  const kinds = ["chapter", "symbol", "question", "heading"];
  return index.entries
    .map((entry) => ({ entry, text: spelled(folded(`${entry[1]} ${entry[0] === "chapter" ? entry[2] : ""}`)) }))
    .filter(({ text }) => asked.every((word) => text.includes(word)))
    .map(({ entry, text }) => ({ entry, rank: [asked.some((word) => !` ${text}`.includes(` ${word}`)), kinds.indexOf(entry[0])] }))
    .sort((a, b) => a.rank[0] - b.rank[0] || a.rank[1] - b.rank[1])
    .slice(0, MOST)
    .map(({ entry }) => entry);
}

/** Scroll to a section of the page when it is there, and unfold it; again while the page still grows, until the reader moves it. */
function showPlace(name) {
  const stop = new AbortController();
  for (const by of ["wheel", "touchstart", "keydown", "pointerdown"]) addEventListener(by, () => stop.abort(), { signal: stop.signal, capture: true });
  const unfolded = new WeakSet();
  const until = performance.now() + 10_000;
  const look = () => {
    if (stop.signal.aborted || performance.now() > until) return;
    const place = /^\w+$/.test(name) && document.querySelector(`.stMainBlockContainer .st-key-${name}`);
    if (place) {
      const fold = place.querySelector("details:not([open]) > summary");
      if (fold && !unfolded.has(place)) fold.click();
      unfolded.add(place);
      const { top } = place.getBoundingClientRect();
      if (top < 0 || top > innerHeight / 3) place.scrollIntoView({ block: "start" });
    }
    setTimeout(look, 250);
  };
  look();
}

function open(slug, anchor) {
  const { pathname } = new URL(slug, location.href);
  if (pathname !== location.pathname) goTo(anchor ? `${pathname}#${anchor}` : pathname);
  if (anchor) showPlace(anchor);
  else if (pathname === location.pathname) document.querySelector(".stMainBlockContainer")?.scrollIntoView();
}

function mountSearch(root, index, invitation) {
  const list = made("ul", { className: "found" });
  const input = made("input", { type: "search", placeholder: invitation, ariaLabel: "Search" });
  const show = () => {
    const results = found(index, input.value);
    list.replaceChildren(...results.map(([kind, words, slug, anchor]) => {
      const link = made("a", { href: new URL(anchor ? `${slug}#${anchor}` : slug, location.href).href }, made("span", {}, words));
      if (kind !== "chapter") link.append(made("small", {}, `${kind} · ${index.chapters[slug]}`));
      link.onclick = (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        input.value = "";
        show();
        open(slug, anchor);
      };
      return made("li", {}, link);
    }));
    if (input.value.trim() && !results.length) list.append(made("li", { className: "none" }, "Nothing has all of these words."));
  };
  input.oninput = show;
  input.onkeydown = (event) => {
    if (event.key === "Enter") list.querySelector("a")?.click();
    if (event.key === "Escape") { input.value = ""; show(); input.blur(); }
  };
  root.replaceChildren(input, list);
}

/** Headings of the page, read off it each time the list is unfolded. */
function mountContents(root) {
  const list = made("ul");
  const fold = made("details", { className: "contents" }, made("summary", {}, "On this page"), list);
  fold.ontoggle = () => {
    const main = document.querySelector(".stMainBlockContainer");
    if (!fold.open || !main) return;
    const marks = [...main.querySelectorAll("h5, .stExpander summary, .st-key-n2c_predict, .st-key-n2c_equation, .st-key-scenes")];
    const named = { "st-key-n2c_predict": "Predict first", "st-key-n2c_equation": "Equation and stage", "st-key-scenes": "Scenes and truth meter" };
    const wordsOf = (mark) => named[Object.keys(named).find((name) => mark.classList.contains(name))]
      ?? (mark.querySelector("[data-testid=stMarkdownContainer]") ?? mark).innerText.trim();
    const places = marks.filter((mark) => mark.getClientRects().length).map((mark) => [mark, wordsOf(mark)]);
    list.replaceChildren(...places.filter(([, words]) => words && words !== "More").map(([mark, words]) => {
      return made("li", {}, made("button", { type: "button", onclick: () => {
        if (mark.matches("summary") && !mark.parentElement.open) mark.click();
        mark.scrollIntoView({ block: "start" });
      } }, words));
    }));
  };
  root.replaceChildren(fold);
  return () => { fold.open = false; };
}

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

const TICKS = "n2c-ticks";

/** A tick behind every chapter in a list whose question was answered. */
function tick() {
  const sheet = document.getElementById(TICKS) ?? document.head.appendChild(Object.assign(document.createElement("style"), { id: TICKS }));
  const { chapters } = kept();
  const done = Object.keys(chapters).filter((slug) => /^\w+$/.test(slug) && Object.keys(chapterOf({ chapters }, slug).answers).length);
  const lists = ["[data-testid=stSidebarNavLink]", "[class*=st-key-home_] a"];
  const links = done.flatMap((slug) => lists.map((list) => `${list}[href$="/${slug}"]::after`));
  sheet.textContent = links.length ? `${links} { content: "\u2713" / "answered"; margin-left: auto; padding-left: 0.4em; font-weight: 700; }` : "";
}

/** The page has been opened: chapter (its slug, or nothing), what its reader has done in this session, and whether it is shown to others. */
function arrive({ chapter, answered, skipped, autoplay, lecture }) {
  if (skipped) note(chapter, (before) => ({ ...before, skipped: true }));
  const before = chapterOf(kept(), chapter);
  const known = before.skipped || "1" in before.answers; // in a lecture the question is asked anew, whoever has answered it at home
  if (chapter && (answered || skipped || autoplay || (known && !lecture))) page.dataset.play = chapter;
  else delete page.dataset.play;
  page.dataset.chapter = chapter;
  page.dataset.predicted = answered || !("1" in before.answers) ? "" : before.answers["1"] ? "right" : "wrong";
  stoppedHere();
  tick();
}

/** How a question was answered (the first answer counts), or that the page asks none: the players then begin. */
function answered({ chapter, question, right }) {
  if (question) note(chapter, (before) => ({ ...before, answers: { [question]: right, ...before.answers } }));
  page.dataset.play = chapter;
}

export default function ({ data, parentElement }) {
  sortHistory();
  const [search, contents] = ["search", "contents"].map((name) => parentElement.querySelector(`.${name}`));
  mountSearch(search, JSON.parse(new TextDecoder().decode(data)), "Search");
  const closeContents = mountContents(contents);

  const onTold = () => {
    for (const told of (window["n2c.told"] ??= []).splice(0)) {
      if (told.what === "answer") answered(told);
      else {
        if (told.chapter !== page.dataset.chapter) closeContents();
        arrive(told);
      }
    }
  };
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.composedPath()[0]?.matches?.(TYPING)) return;
    const selector = /^[1-9]$/.test(event.key) ? `.st-key-scene_${event.key} button` : PRESS[event.key];
    const target = event.key === "/" ? search.querySelector("input") : selector && document.querySelector(selector);
    if (target) {
      if (event.key === "/") target.focus();
      else target.click();
      event.preventDefault();
    }
  };
  const listeners = [["keydown", onKey], [CHANGED, tick], ["n2c:told", onTold]];
  for (const [name, listener] of listeners) document.addEventListener(name, listener);
  onTold();
  if (location.hash) showPlace(location.hash.slice(1));
  page.dataset.keys = "ready"; // for whoever has to wait for them
  return () => {
    for (const [name, listener] of listeners) document.removeEventListener(name, listener);
  };
}

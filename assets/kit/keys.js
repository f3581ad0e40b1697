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

const SWITCH = { c: ["controls", "on"], e: ["equation", "off"] };  // in a lecture: what stands over the stage, what is out of the way
const TICKS = "n2c-ticks";
const PHONE = 640;
const FITTED = ".st-key-head, .st-key-n2c_predict, .st-key-n2c_stage_area, .st-key-n2c_equation, .st-key-n2c_caption, .st-key-n2c_meter, "
  + ".st-key-n2c_values p > *, .st-key-n2c_chain, .st-key-home_list";
const LEAST = 300;                            // pixels of a stage, however much stands around it

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
  if (lecture) page.dataset.lecture = "1";
  else for (const name of ["lecture", "controls", "equation"]) delete page.dataset[name];
  page.dataset.predicted = answered || !("1" in before.answers) ? "" : before.answers["1"] ? "right" : "wrong";
  stoppedHere();
  tick();
  requestAnimationFrame(fitStage);
}

/** How a question was answered (the first answer counts), or that the page asks none: the players then begin. */
function answered({ chapter, question, right }) {
  if (question) note(chapter, (before) => ({ ...before, answers: { [question]: right, ...before.answers } }));
  page.dataset.play = chapter;
}

/** What stands in a row is made smaller until it fits on one line. name: property of the size; gap: em between two parts. */
function fitOneLine(name, row, part, gap) {
  const line = document.querySelector(row);
  if (!line) return;
  page.style.setProperty(name, "1");
  const widths = [...line.querySelectorAll(part)].map((written) => written.getBoundingClientRect().width);
  const needed = widths.reduce((all, width) => all + width, gap * parseFloat(getComputedStyle(page).fontSize) * widths.length);
  page.style.setProperty(name, String(Math.min(1, Math.max(0.6, line.clientWidth / needed))));
}

/** The height that the rest of the page leaves to the stage, for players that fill it: in lecture mode down to the fold, on a phone under a half. */
function fitStage() {
  const stage = document.querySelector(".st-key-n2c_stage, .st-key-n2c_chain");
  const lecture = document.querySelector(".st-key-n2c_stage_area, .st-key-home_list") && "lecture" in page.dataset;
  let height = "";
  if (stage && innerWidth <= PHONE) height = `${Math.floor(0.44 * innerHeight)}px`;
  else if (stage && lecture) {
    fitOneLine("--n2c-line", ".st-key-n2c_lines", ".katex-display > .katex", 2.2);
    fitOneLine("--n2c-values", ".st-key-n2c_values", "p .katex", 1.6);
    const bottom = (name) => document.querySelector(name)?.getBoundingClientRect().bottom ?? 0;
    const last = Math.max(...["n2c_meter", "n2c_caption", "n2c_stage", "home_list"].map((name) => bottom(`.st-key-${name}`)));
    const scrolled = document.querySelector("[data-testid=stMain]")?.scrollTop ?? 0;
    height = `${Math.max(LEAST, Math.floor(innerHeight - (last + scrolled - stage.getBoundingClientRect().height) - 6))}px`;
  }
  if (page.style.getPropertyValue("--n2c-stage-height") !== height) page.style.setProperty("--n2c-stage-height", height);
}

/** The stage begins without an answer. */
function begin({ chapter, skipped }) {
  if (skipped) note(chapter, (before) => ({ ...before, skipped: true }));
  page.dataset.play = chapter;
}

let waiting = 0;                              // the key pressed last: an earlier one that still waits is forgotten

/** Press the button of a key. One that is not there yet is waited for while its page is open: Streamlit says that its script is at
 * rest before all of it has been painted. */
function press(selector, until = performance.now() + 10_000, turn = ++waiting, path = location.pathname) {
  const target = document.querySelector(selector);
  if (target) target.click();
  else if (performance.now() < until) {
    setTimeout(() => { if (turn === waiting && path === location.pathname) press(selector, until, turn, path); }, 60);
  }
}

export default function ({ data, parentElement }) {
  sortHistory();
  const [search, contents] = ["search", "contents"].map((name) => parentElement.querySelector(`.${name}`));
  mountSearch(search, JSON.parse(new TextDecoder().decode(data)), "Search");
  const closeContents = mountContents(contents);

  const onTold = () => {
    for (const told of (window["n2c.told"] ??= []).splice(0)) {
      if (told.what === "answer") answered(told);
      else if (told.what === "begin") begin(told);
      else if (told.what === "preview") page.dataset.offer = told.name;
      else {
        if (told.chapter !== page.dataset.chapter) closeContents();
        arrive(told);
      }
    }
  };
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.composedPath()[0]?.matches?.(TYPING)) return;
    const selector = /^[1-9]$/.test(event.key) ? `.st-key-scene_${event.key} button` : PRESS[event.key];
    if (event.key in SWITCH && "lecture" in page.dataset) {
      const [what, other] = SWITCH[event.key];
      if (page.dataset[what] === other) delete page.dataset[what];
      else page.dataset[what] = other;
      fitStage();
    } else if (event.key === "/") search.querySelector("input").focus();
    else if (selector) press(selector);
    else return;
    event.preventDefault();
  };
  const listeners = [["keydown", onKey], [CHANGED, tick], ["n2c:told", onTold]];
  for (const [name, listener] of listeners) document.addEventListener(name, listener);
  const sizes = new ResizeObserver(() => requestAnimationFrame(fitStage));
  const seen = new WeakSet();
  const watch = new MutationObserver(() => {
    armTerms();
    for (const part of document.querySelectorAll(FITTED)) if (!seen.has(part)) { seen.add(part); sizes.observe(part); }
  });
  watch.observe(document.body, { subtree: true, childList: true });
  const leaveTerms = followTerms();
  addEventListener("resize", fitStage);
  onTold();
  if (location.hash) showPlace(location.hash.slice(1));
  page.dataset.keys = "ready"; // for whoever has to wait for them
  return () => {
    for (const [name, listener] of listeners) document.removeEventListener(name, listener);
    removeEventListener("resize", fitStage);
    watch.disconnect();
    leaveTerms();
    sizes.disconnect();
  };
}

// Pointing at a term lights up what belongs to it, and back: a value under the equation or a line of its legend lights the control that changes
// the symbol and its part of the stage; a control or an entry of the stage's legend lights the values and lines of its symbols. On a touch
// screen a tap does it, and another tap undoes it. Which symbol belongs to what is told by pages/kit/equation.py. Nothing changes its size.
const LIT = "data-lit";                                       // an attribute: Streamlit writes class names anew
const TERMS = ".st-key-n2c_values .katex, .st-key-prose_symbols li";
let termsTold, termsRead = { values: [], legend: [], stage: {}, controls: {} };

/** {values: [[symbol]], legend: [symbol], stage: {symbol: [part]}, controls: {symbol: [key]}} of the equation on the page. */
function termsOfPage() {
  const told = document.querySelector(".n2c-terms")?.dataset.terms;
  if (told && told !== termsTold) termsRead = JSON.parse(termsTold = told);
  return termsRead;
}

/** Values and lines on the page, each with its symbols. */
function termPlaces() {
  const { values, legend } = termsOfPage();
  const lists = [...document.querySelectorAll(".st-key-n2c_values p")].map((line) => [...line.querySelectorAll(".katex")]);
  return [...lists.flatMap((list) => list.map((place, i) => [place, values[i] ?? []])),
    ...[...document.querySelectorAll(".st-key-prose_symbols li")].map((place, i) => [place, [legend[i]]])];
}

/** Make the terms reachable by keyboard that have something to light. */
function armTerms() {
  const { stage, controls } = termsOfPage();
  for (const [place, symbols] of termPlaces()) {
    if (!place.hasAttribute("tabindex") && symbols.some((symbol) => stage[symbol] || controls[symbol])) place.tabIndex = 0;
  }
}

/** Light these symbols where they stand; with `fully` their controls and parts of the stage too. */
function light(symbols, fully) {
  const { stage, controls } = termsOfPage();
  for (const place of document.querySelectorAll(`[${LIT}]`)) place.removeAttribute(LIT);
  for (const [place, its] of termPlaces()) if (its.some((symbol) => symbols.includes(symbol))) place.setAttribute(LIT, "");
  const keys = fully ? symbols.flatMap((symbol) => controls[symbol] ?? []) : [];
  const folded = document.querySelector(".st-key-n2c_controls [data-testid=stExpander]");      // its controls are not on the page
  for (const key of keys) (document.querySelector(`.st-key-n2c_controls .st-key-${key}`) ?? folded)?.setAttribute(LIT, "");
  const parts = fully ? symbols.flatMap((symbol) => stage[symbol] ?? []) : [];
  document.dispatchEvent(new CustomEvent("n2c:light", { detail: { parts } }));
}

/** What is pointed at, as {name, symbols, fully}; null where it is no term. */
function termAt(target) {
  if (!(target instanceof Element)) return null;
  const place = target.closest(TERMS);
  if (place) {
    const symbols = termPlaces().find(([other]) => other === place)?.[1] ?? [];
    return { name: `term ${symbols}`, symbols, fully: true };
  }
  if (!target.closest(".st-key-n2c_controls")) return null;
  const { controls } = termsOfPage();
  const symbols = Object.keys(controls).filter((symbol) => controls[symbol].some((key) => target.closest(`.st-key-${key}`)));
  return symbols.length ? { name: `control ${symbols}`, symbols, fully: false } : null;
}

/** Listen on the page; returns what ends it. */
function followTerms() {
  let lit = "";
  let touched = false;
  const show = (found) => {
    if ((found?.name ?? "") === lit) return;
    lit = found?.name ?? "";
    light(found?.symbols ?? [], found?.fully);
  };
  const onStage = (event) => event.composedPath()[0].closest?.("[data-parts]");      // the stage's legend tells of itself: n2c:point
  const over = (event) => { if (event.pointerType !== "touch" && !onStage(event)) show(termAt(event.target)); };
  const out = ({ pointerType, relatedTarget }) => { if (pointerType !== "touch" && !relatedTarget) show(null); };
  const focused = (event) => { if (!touched && !onStage(event)) show(termAt(event.target)); };
  const tapped = ({ target }) => {
    if (!touched) return;
    const found = termAt(target);
    show(found?.name === lit ? null : found);
  };
  const pointed = ({ detail: { parts, toggle } }) => {
    const { stage } = termsOfPage();
    const symbols = Object.keys(stage).filter((symbol) => stage[symbol].some((part) => parts.includes(part)));
    const name = `stage ${parts}`;
    show(parts.length && !(toggle && name === lit) ? { name, symbols, fully: false } : null);
  };
  const left = () => { if (!touched) show(null); };
  const down = ({ pointerType }) => { touched = pointerType === "touch"; };
  const listeners = [["pointerover", over], ["pointerout", out], ["focusin", focused], ["focusout", left], ["pointerdown", down], ["click", tapped],
    ["n2c:point", pointed]];
  for (const [name, listener] of listeners) document.addEventListener(name, listener);
  return () => { for (const [name, listener] of listeners) document.removeEventListener(name, listener); };
}

// The picture follows the thumb: while a slider of the page is dragged, coarse pictures are asked for (pages/kit/preview.py), one at a time.
// Streamlit's slider itself sends its value when it is let go of; what it commits comes with the next payload, and wins.

const THUMB = ".st-key-n2c_controls [data-testid=stSlider] :is(input, [role=slider])";
const AGAIN_MS = 120;                                         // after an answer without a picture

class Preview {
  /** read(bytes): their envelope. show(envelope): draw it. back(): draw again what is committed. */
  constructor({ read, show, back }) {
    this.read = read;
    this.show = show;
    this.back = back;
    this.on = false;
    this.held = this.busy = this.shown = false;
    this.turn = 0;                                            // number of commits: what was asked for before the last is not shown
    this.drawing = Promise.resolve();                         // the last picture that came; the next is asked for meanwhile
    this.stop = new AbortController();
    const { signal } = this.stop;
    const listen = (event, act) => addEventListener(event, act, { signal, capture: true });
    listen("pointerdown", (event) => { if (this.inControls(event)) this.hold(); });
    listen("keydown", (event) => { if (this.inControls(event) && /^(Arrow|Page|Home|End)/.test(event.key)) this.hold(); });
    for (const event of ["pointerup", "pointercancel", "keyup"]) listen(event, () => this.release());
    this.watch = new MutationObserver((changes) => { for (const { target } of changes) this.moved(target); });
    this.watch.observe(document.documentElement, { subtree: true, attributes: true, attributeFilter: ["aria-valuetext"] });
  }

  inControls(event) {
    return this.on && event.composedPath().some((node) => node instanceof Element && node.matches("[data-testid=stSlider]"));
  }

  hold() {
    this.held = true;
    this.asked = null;
    clearTimeout(this.over);
    this.over = null;
  }

  /** Let go: if nothing new is committed soon, the thumb is back where it was, and so is the picture. */
  release() {
    if (!this.held) return;
    this.held = false;
    this.wanted = null;
    this.over = setTimeout(() => this.restore(), 2500);
  }

  restore() {
    if (!this.shown || this.held) return;
    if (document.querySelector("[data-test-script-state=running]")) this.over = setTimeout(() => this.restore(), 500);
    else { this.end(); this.back(); }
  }

  moved(thumb) {
    if (!this.held || !this.on || !thumb.matches(THUMB)) return;
    const key = [...thumb.closest("[class*=st-key-]").classList].find((name) => name.startsWith("st-key-")).slice(7);
    const place = thumb.value ?? thumb.getAttribute("aria-valuenow");
    if (this.asked?.key === key && this.asked.place === place) this.wanted = null;         // the slider tells a place more than once
    else this.wanted = { key, place };
    this.pump();
  }

  async pump() {
    if (this.busy || !this.wanted) return;
    const { key, place } = this.wanted;
    this.wanted = null;
    this.asked = { key, place };
    this.busy = true;
    const { turn } = this;
    const { offer } = document.documentElement.dataset;      // the name under which this page's previews are asked for
    try {
      if (!offer) return;
      const answer = await fetch(new URL(`n2c/preview/${offer}/${key}/${place}`, APP));
      if (answer.status === 404) document.documentElement.dataset.offer = "";      // the server knows nothing of this page any more
      else if (answer.status !== 200) await this.later();
      else {
        const bytes = new Uint8Array(await answer.arrayBuffer());
        await this.drawing;
        if (turn === this.turn) this.drawing = this.draw(bytes, turn).catch((error) => console.warn("preview:", error));
      }
    } catch (error) {
      console.warn("preview:", error);
      await this.later();
    } finally {
      this.busy = false;
    }
    this.pump();
  }

  /** No picture came: the same place may be asked for again after a while. */
  async later() {
    this.asked = null;
    await new Promise((done) => setTimeout(done, AGAIN_MS));
  }

  /** Draw a picture that was asked for after the commit with this number: nothing of it stays if another was committed meanwhile. */
  async draw(bytes, turn) {
    const envelope = this.read(bytes);
    await this.show(envelope);
    if (turn !== this.turn) return;
    this.shown = true;
    document.documentElement.dataset.preview = "shown";
    await showValues(envelope.mount.equation, () => this.shown && turn === this.turn);
  }

  /** A picture was committed: what was asked for before it is not shown any more. */
  committed(on) {
    this.on = on;
    this.turn += 1;
    this.asked = null;
    this.end();
  }

  end() {
    clearTimeout(this.over);
    if (!this.shown) return;                                  // nothing of this player's; another may show a preview
    this.shown = false;
    delete document.documentElement.dataset.preview;
    document.querySelector(".n2c-values-now")?.remove();
  }

  close() {
    this.stop.abort();
    this.watch.disconnect();
    this.end();
  }
}

const KATEX = /*KATEX*/null;                                  // Streamlit's own, below the app's address
let tex;                                                      // a promise of it, once it was needed

/** The values in force, as the picture under the thumb has them, over those that are committed; not if it is overtaken before they can be set. */
async function showValues(values, current) {
  const place = document.querySelector(".st-key-n2c_values");
  if (!place || !values) return;
  const { renderToString } = (await (tex ??= import(new URL(KATEX, APP).href))).default;
  if (!current()) return;
  let now = place.querySelector(".n2c-values-now");
  if (!now) now = place.appendChild(element("p", { class: "n2c-values-now" }));
  now.innerHTML = values.map((value) => renderToString(value, { throwOnError: false })).join(" ");
}

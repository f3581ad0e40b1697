// What a reader has done, kept in this browser and nowhere else: first answers to the questions, what was skipped, where one stopped.
// Where storage is refused (private windows) it is kept until the tab is closed.
const SHELF = "n2c.progress";
const CHANGED = "n2c:progress";
const page = document.documentElement;

const plain = (value) => (value && typeof value === "object" && !Array.isArray(value) ? value : {});

/** {chapters: {slug: {answers: {number of the question: right?}, skipped?}}, last: {chapter, search}} */
function kept() {
  let text = window[SHELF];
  try { text = localStorage.getItem(SHELF) ?? text; } catch { /* refused */ }
  try {
    const { chapters, last } = plain(JSON.parse(text ?? "{}"));
    return { chapters: plain(chapters), last: plain(last) };
  } catch {
    return { chapters: {}, last: {} };
  }
}

function keep(progress) {
  const text = JSON.stringify(progress);
  window[SHELF] = text;
  try { localStorage.setItem(SHELF, text); } catch { /* refused */ }
  document.dispatchEvent(new Event(CHANGED));
}

const chapterOf = (progress, slug) => ({ ...plain(progress.chapters[slug]), answers: plain(plain(progress.chapters[slug]).answers) });

/** Change what is kept of one chapter. */
function note(slug, change) {
  const progress = kept();
  const chapter = chapterOf(progress, slug);
  const after = change(chapter);
  if (JSON.stringify(after) !== JSON.stringify(plain(progress.chapters[slug]))) {
    keep({ ...progress, chapters: { ...progress.chapters, [slug]: after } });
  }
}

/** {asked, right} over all chapters. */
function score({ chapters }) {
  const answers = Object.keys(chapters).flatMap((slug) => Object.values(chapterOf({ chapters }, slug).answers));
  return { asked: answers.length, right: answers.filter((right) => right === true).length };
}

/** Another page or other settings, without loading the app anew: Streamlit follows as if the reader had gone forward to it. */
function goTo(address) {
  history.pushState({}, "", address);
  dispatchEvent(new PopStateEvent("popstate"));
}

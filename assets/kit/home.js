// On Home: a search, the way back to where one stopped, and the score, from what this browser has kept.
export default function ({ data, parentElement }) {
  const [search, progress] = ["search", "progress"].map((name) => parentElement.querySelector(`.${name}`));
  const index = JSON.parse(new TextDecoder().decode(data));
  if (!search.firstChild) mountSearch(search, index, "Search for a word, a symbol, a question");
  const show = () => {
    const { chapters, last } = kept();
    const { asked, right } = score({ chapters });
    const parts = [];
    if (Object.hasOwn(index.chapters, last.chapter ?? "")) {
      const address = `${last.chapter}${last.search ? `?${last.search}` : ""}`;
      const link = made("a", { className: "on", href: address }, `Continue where you stopped: ${index.chapters[last.chapter]} \u2192`);
      link.onclick = (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        goTo(new URL(address, location.href).href);
      };
      parts.push(link);
    }
    if (asked) parts.push(made("span", { className: "score" }, `Predictions: ${right} of ${asked} right at the first answer`));
    if (parts.length) {
      parts.push(made("button", { type: "button", title: "Ticks, score and the place where you stopped are kept in this browser only.",
        onclick: () => keep({ chapters: {}, last: {} }) }, "Forget"));
    }
    progress.replaceChildren(...parts);
  };
  show();
  document.addEventListener(CHANGED, show);
  return () => document.removeEventListener(CHANGED, show);
}

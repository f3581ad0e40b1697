// A button that copies the link it was given. Browsers keep the clipboard from pages that came without encryption, such as those of a
// lecturer's own machine; there the older way, a selected line of text, still works.
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const line = Object.assign(document.createElement("textarea"), { value: text });
    line.style.cssText = "position: fixed; opacity: 0";
    (document.querySelector("[role=dialog]") ?? document.body).append(line); // a dialog lets nothing outside it be selected
    line.select();
    const done = document.execCommand("copy");
    line.remove();
    return done;
  }
}

export default function ({ data, parentElement }) {
  const button = parentElement.querySelector("button");
  button.onclick = async () => {
    button.textContent = (await copied(data)) ? "Copied" : "Not allowed here: select the link below";
    clearTimeout(button.timer);
    button.timer = setTimeout(() => { button.textContent = "Copy link"; }, 2000);
  };
}

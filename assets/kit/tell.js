// What Python tells the kit's script of a run: which page is open, how a question was answered.
export default function ({ data }) {
  (window["n2c.told"] ??= []).push(data);
  document.dispatchEvent(new Event("n2c:told"));
}

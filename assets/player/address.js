// The address below which this app is served, with a slash at its end: Streamlit's own scripts tell it.
const OWN = [...document.scripts].map((script) => script.src).find((src) => src.includes("/static/js/"));
const APP = OWN ? OWN.replace(/static\/js\/.*$/, "") : `${location.origin}/`;

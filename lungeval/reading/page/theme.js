/** Light or dark: pages of text follow the system, reading is dark; the button overrides both and is remembered. */
const KEY = "reading-theme";
const system = matchMedia("(prefers-color-scheme: light)");
const root = document.documentElement;
const button = document.getElementById("theme");

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage is switched off
  }
}

let chosen = remembered();

/** Set the theme for the view that is shown. */
export function dress() {
  const own = root.dataset.view === "reading" || !system.matches ? "dark" : "light";
  root.dataset.theme = chosen ?? own;
  button.textContent = root.dataset.theme === "dark" ? "Lights on" : "Lights off";
}

button.addEventListener("click", () => {
  chosen = root.dataset.theme === "dark" ? "light" : "dark";
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // not remembered, then
  }
  dress();
});
system.addEventListener("change", dress);

/** The answer form: a label, then (if it is asked) how sure, then Confirm. Nothing is chosen beforehand. */
const WORDS = { real: ["Real", "R"], unsure: ["Unsure", "U"], fake: ["Fake", "F"] };
const byId = (id) => document.getElementById(id);

export class AnswerForm {
  /** @param {string[]} labels the words offered @param {number} levels of confidence; 0 = not asked */
  constructor(labels, levels) {
    this.labels = labels;
    this.levels = levels;
    this.open = false;
    this.form = byId("answer");
    byId("labels").querySelector(".row").replaceChildren(
      ...labels.map((label) => choice("label", label, WORDS[label][0], WORDS[label][1])));
    const row = byId("sure").querySelector(".row");
    const numbers = Array.from({ length: levels }, (_, i) => `${i + 1}`);
    row.replaceChildren(...numbers.map((level) => choice("confidence", level, level)));
    row.style.setProperty("--columns", levels > 6 ? Math.ceil(levels / 2) : levels || 1);
    byId("sure").hidden = !levels;
    this.form.classList.toggle("label-only", !levels);
    this.form.addEventListener("change", () => this._update());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.confirm();
    });
  }

  /** Wait for the reader's answer. @returns {Promise<{label: string, confidence: number | null}>} */
  ask() {
    this.form.reset();
    this.open = true;
    this._update();
    return new Promise((done) => (this._done = done));
  }

  /** Choose by key: a label's letter or a level's digit. @returns whether the key meant something here */
  key(key) {
    const label = this.labels.find((word) => WORDS[word][1].toLowerCase() === key);
    const level = key === "0" ? 10 : Number(key);
    if (label) return this._choose("label", label);
    if (/^\d$/.test(key) && level <= this.levels) return this._choose("confidence", `${level}`);
    return false;
  }

  /** Give the answer, if it is complete. */
  confirm() {
    const value = this._value();
    if (!value) return;
    this.open = false;
    this._update();
    this._done(value);
  }

  _choose(name, value) {
    const input = this.form.querySelector(`input[name="${name}"][value="${value}"]`);
    if (this.open && !input.matches(":disabled")) {
      input.checked = true;
      this._update();
    }
    return true;
  }

  _value() {
    const data = new FormData(this.form);
    const [label, confidence] = [data.get("label"), data.get("confidence")];
    const asked = this.levels > 0 && label !== "unsure";
    if (!this.open || !label || (asked && !confidence)) return null;
    return { label, confidence: asked ? Number(confidence) : null };
  }

  _update() {
    const label = this.form.querySelector('input[name="label"]:checked')?.value;
    byId("labels").disabled = !this.open;
    byId("sure").disabled = !this.open || !label || label === "unsure";
    const [low, high] = byId("sure").querySelectorAll(".ends span");
    [low.textContent, high.textContent] = label === "unsure" ? ["not asked when unsure", ""] : ["guessing", "certain"];
    if (label === "unsure") for (const input of this.form.querySelectorAll('input[name="confidence"]')) input.checked = false;
    byId("confirm").disabled = !this._value();
  }
}

function choice(name, value, text, key) {
  const element = (kind, fields) => Object.assign(document.createElement(kind), fields);
  const label = element("label", { className: "choice" });
  const face = element("span", { className: "face" });
  face.append(element("span", { textContent: text }));
  if (key) {
    face.append(element("kbd", { textContent: key }));
    face.lastChild.setAttribute("aria-hidden", "true");
  }
  label.append(element("input", { type: "radio", name, value }), face);
  return label;
}

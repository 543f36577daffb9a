/** Keys of the reading view, and the two tables that tell of them. */

/** The meaning of a key press whatever the keyboard's layout: letters and digits by their place where the sign is foreign. */
export function keyOf(event) {
  const place = /^(Key|Digit)([A-Z0-9])$/.exec(event.code);
  const foreign = place?.[1] === "Digit" ? !event.shiftKey : !/^[\x21-\x7e]$/.test(event.key);
  return (place && foreign ? place[2] : event.key).toLowerCase();
}

/** Read by finger: dragging turns the slices of a stack at first. */
export const finger = matchMedia("(pointer: coarse)");

const LABEL_KEYS = { real: ["R", "real"], unsure: ["U", "unsure"], fake: ["F", "fake"] };

/** Rows of the short table: what is needed to read. */
export function answerKeys(labels, levels, stacks) {
  const sure = levels ? [[["1", "–", `${levels % 10}`], `how sure you are: 1 = guessing, ${levels} = certain`]] : [];
  return [
    [labels.map((label) => LABEL_KEYS[label][0]), labels.map((label) => LABEL_KEYS[label][1]).join(", ")],
    ...sure,
    [["Enter"], "confirm and go on to the next image"],
    ...(stacks ? [[["Wheel"], "or ↑ ↓: the slices of a CT stack"]] : []),
    [["Drag"], stacks && finger.matches ? "on the image: its slices" : "on the image: sideways for contrast, up and down for brightness"],
    stacks ? [["Ctrl", "+ wheel"], "or two fingers: zoom"] : [["Wheel"], "or two fingers: zoom"],
    [["?"], "all keys"],
  ];
}

/** Rows of the help: everything. */
export function allKeys(labels, levels, stacks) {
  const slices = [
    [["↑", "↓"], "one slice (with Shift: brightness); Page ↑ and ↓: ten; Home, End: the first, the last"],
    [["←", "→"], "contrast"],
    [["S"], "dragging turns slices"],
  ];
  return [
    ...answerKeys(labels, levels, stacks).slice(0, -1),
    [["Space", "+ drag"], "move the enlarged image (right or middle button: the same)"],
    ...(stacks ? slices : [[["←", "→", "↑", "↓"], "contrast and brightness"]]),
    [["+", "−"], "zoom"],
    [["Z"], "fit, or one image pixel on one screen pixel"],
    [["W", "P"], "what dragging does: window, or move"],
    [["I"], "swap black and white"],
    [["Esc"], "the image as it was at first (or double-click)"],
  ];
}

/** Fill a definition list with such rows. */
export function fill(list, rows) {
  const element = (name, text = "") => Object.assign(document.createElement(name), { textContent: text });
  list.replaceChildren(...rows.flatMap(([keys, text]) => {
    const term = element("dt");
    term.append(...keys.map((key) => (/^(–|\+ (drag|wheel))$/.test(key) ? element("span", key) : element("kbd", key))));
    return [term, element("dd", text)];
  }));
}

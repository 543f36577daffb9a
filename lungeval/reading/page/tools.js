/** The tool bar below the picture and the keys of the reading view. */
import { finger, keyOf } from "./keyboard.js";

const byId = (id) => document.getElementById(id);

const STRIDE = 10; // slices that a page key turns
const ALONG = { ArrowLeft: "arrowup", ArrowRight: "arrowdown" }; // on the slider every arrow turns slices

/** Bind tools and keys to a viewer and a form. */
export function controls(viewer, form) {
  const slider = byId("slice");
  let mouse = ""; // what dragging was set to by hand
  const mode = (name) => {
    if (name === "slice" && !viewer.stacked) return;
    mouse = name;
    refresh();
  };
  const whole = () => Math.abs(viewer.zoom - 1) < 0.001;
  const acts = {
    "tool-window": () => mode("window"),
    "tool-pan": () => mode("pan"),
    "tool-slice": () => mode("slice"),
    "tool-out": () => viewer.zoomBy(1 / 1.25),
    "tool-in": () => viewer.zoomBy(1.25),
    "tool-fit": () => viewer.zoomTo(1),
    "tool-one": () => viewer.zoomTo(viewer.one),
    "tool-invert": () => viewer.invert(),
    "tool-reset": () => viewer.reset(),
  };
  const keys = {
    w: acts["tool-window"], p: acts["tool-pan"], s: acts["tool-slice"], "-": acts["tool-out"], "+": acts["tool-in"], "=": acts["tool-in"],
    z: () => (whole() ? acts["tool-one"]() : acts["tool-fit"]()), i: acts["tool-invert"], escape: acts["tool-reset"],
    "0": acts["tool-reset"], "?": () => byId("help").showModal(),
    arrowleft: () => viewer.windowBy(-8, 0), arrowright: () => viewer.windowBy(8, 0),
    arrowup: (shift) => (viewer.stacked && !shift ? viewer.frameBy(-1) : viewer.windowBy(0, -4)),
    arrowdown: (shift) => (viewer.stacked && !shift ? viewer.frameBy(1) : viewer.windowBy(0, 4)),
    pageup: () => viewer.frameBy(-STRIDE), pagedown: () => viewer.frameBy(STRIDE),
    home: () => viewer.frameTo(0), end: () => viewer.frameTo(Infinity),
  };

  function slices() {
    const { stacked, picture, frame } = viewer;
    byId("tool-slice").hidden = byId("rail").hidden = !stacked;
    if (!stacked || !picture) return; // between two pictures nothing moves
    slider.max = picture.frames;
    slider.value = frame + 1;
    slider.setAttribute("aria-valuetext", `slice ${frame + 1} of ${picture.frames}`);
    const [number, total] = byId("slice-told").children;
    number.textContent = frame + 1;
    total.textContent = ` of ${picture.frames}`;
  }

  function refresh() {
    const usual = viewer.stacked && finger.matches ? "slice" : "window";
    viewer.mode = mouse === "slice" && !viewer.stacked ? usual : mouse || usual;
    slices();
    byId("zoom").textContent = `${Math.round(100 * viewer.zoom)}%`;
    byId("levels").textContent = `W ${Math.round(viewer.window.width)}  L ${Math.round(viewer.window.level)}`;
    byId("tool-window").setAttribute("aria-pressed", viewer.mode === "window");
    byId("tool-pan").setAttribute("aria-pressed", viewer.mode === "pan");
    byId("tool-slice").setAttribute("aria-pressed", viewer.mode === "slice");
    byId("tool-invert").setAttribute("aria-pressed", viewer.inverted);
    viewer.canvas.dataset.drag = viewer.spaceHeld ? "pan" : viewer.mode;
  }

  for (const [id, act] of Object.entries(acts)) byId(id).addEventListener("click", act);
  const toPicture = () => viewer.canvas.focus({ preventScroll: true });
  slider.addEventListener("input", () => viewer.frameTo(Number(slider.value) - 1));
  slider.addEventListener("pointerup", toPicture);
  byId("rail").addEventListener("wheel", (event) => viewer.wheel(event), { passive: false });
  document.addEventListener("click", (event) => {
    const button = event.detail && event.target.closest("#bar button, #tools button"); // clicked, not pressed by key:
    if (button && !byId("help").open) toPicture(); // the focus goes back, for Enter to stay Confirm
  });
  byId("help").addEventListener("close", toPicture);

  function space(event, held) {
    if (event.code !== "Space" || (held && event.target !== viewer.canvas && event.target !== document.body)) return;
    if (held) event.preventDefault();
    viewer.spaceHeld = held;
    refresh();
  }

  addEventListener("keydown", (event) => {
    const busy = document.documentElement.dataset.view !== "reading" || byId("help").open;
    if (busy || event.ctrlKey || event.altKey || event.metaKey) return;
    space(event, true);
    const target = event.target;
    if (event.key === "Enter") {
      if (target.tagName === "BUTTON" && target.id !== "confirm") return;
      event.preventDefault();
      if (!event.repeat) form.confirm();
      return;
    }
    if (event.key.startsWith("Arrow") && target.type === "radio") return;
    const key = target === slider && ALONG[event.key] || keyOf(event);
    if (!event.repeat && form.key(key)) return event.preventDefault();
    const act = keys[key];
    if (act) {
      event.preventDefault();
      act(event.shiftKey);
    }
  });
  addEventListener("keyup", (event) => space(event, false));
  viewer.changed = refresh;
  refresh();
}

/**
 * The viewer: one picture on black. Drag for window and level, wheel or pinch to zoom, space or another button to move.
 * A picture is `frames` x `rows` x `cols` bytes. With more than one frame (a stack of slices) it opens at the middle one,
 * the wheel turns slices and Ctrl + wheel zooms; dragging turns slices, too, in the mode `slice`.
 * Enlarged pictures are smoothed by the browser (`imageSmoothingQuality: high`): no blocks that a reader could count.
 */
import { FULL, paint, table } from "./grey.js";

const MOST = 32; // times the fitted size
const clamp = (x, low, high) => Math.min(high, Math.max(low, x));

export class Viewer {
  /** Called after each change of what is shown. */
  changed = () => {};

  /** @param {HTMLCanvasElement} canvas fills its parent */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.source = document.createElement("canvas");
    this.picture = null;
    this.stacked = false;
    this.mode = "window"; // what dragging does: window, pan, or (stacks) slice
    this.spaceHeld = false;
    this.fingers = new Map();
    this.asked = 0;
    this._begin();
    new ResizeObserver(() => this._resize()).observe(canvas);
    this._listen();
    this._resize();
  }

  /** Show a picture as it was served: whole, full window. Painted by the next animation frame. */
  show(bytes, { frames, rows, cols }) {
    this.stacked = frames > 1; // a stack of slices
    this.picture = { bytes, frames, rows, cols };
    this.source.width = cols;
    this.source.height = rows;
    this.memory = this.source.getContext("2d").createImageData(cols, rows);
    this._begin();
    this._greys();
  }

  /** Black. */
  clear() {
    this.picture = null;
    this._draw();
  }

  /** Back to how it was at first, at the slice that is shown; what was used stays noted. */
  reset() {
    Object.assign(this, { zoom: 1, x: 0, y: 0, window: { ...FULL }, inverted: false });
    this._greys();
  }

  /** How the picture was looked at, for the record. */
  viewing() {
    const round = (x) => Math.round(x * 100) / 100;
    return {
      window: round(this.window.width), level: round(this.window.level), zoom_max: round(this.zoomMax),
      inverted: this.everInverted, dpr: round(devicePixelRatio), width: round(this.width), height: round(this.height),
      ...(this.stacked && { slices_seen: this.seen.size }),
    };
  }

  invert() {
    this.inverted = !this.inverted;
    this.everInverted = true;
    this._greys();
  }

  /** Change the window by grey levels: wider is softer, a lower level is brighter. */
  windowBy(width, level) {
    this.window = {
      width: clamp(this.window.width + width, 2, 512),
      level: clamp(this.window.level + level, 0, 256),
    };
    this._greys();
  }

  /** Magnification at which one picture pixel covers one screen pixel. */
  get one() {
    return 1 / (this._fit() * devicePixelRatio);
  }

  /** Zoom by a factor around a point of the canvas (page pixels from its middle). */
  zoomBy(factor, x = 0, y = 0) {
    this.zoomTo(this.zoom * factor, x, y);
  }

  zoomTo(zoom, x = 0, y = 0) {
    const next = clamp(zoom, Math.min(1, this.one), Math.max(MOST, this.one));
    const ratio = next / this.zoom;
    this.x = x - (x - this.x) * ratio;
    this.y = y - (y - this.y) * ratio;
    this.zoom = next;
    this.zoomMax = Math.max(this.zoomMax, next);
    this._draw();
  }

  panBy(x, y) {
    this.x += x;
    this.y += y;
    this._draw();
  }

  frameBy(step) {
    this.frameTo(this.frame + step);
  }

  frameTo(frame) {
    const next = clamp(frame, 0, (this.picture?.frames ?? 1) - 1);
    if (next === this.frame) return;
    this.frame = next;
    this._greys();
  }

  _begin() {
    Object.assign(this, { zoom: 1, x: 0, y: 0, window: { ...FULL }, inverted: false });
    this.zoomMax = 1;
    this.everInverted = false;
    this.frame = Math.floor(((this.picture?.frames ?? 1) - 1) / 2);
    this.turned = 0;
    this.seen = new Set();
  }

  _fit() {
    const { rows, cols } = this.picture ?? { rows: 1, cols: 1 };
    return Math.max(1e-6, Math.min(this.width / cols, this.height / rows));
  }

  _greys() {
    this.stale = true;
    this._draw();
  }

  _draw() {
    this.asked ||= requestAnimationFrame(() => {
      this.asked = 0;
      this._paint();
    });
  }

  _paint() {
    const { context, picture } = this;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.width, this.height);
    if (picture) {
      if (this.stale) this._colour();
      const scale = this._fit() * this.zoom;
      const [w, h] = [picture.cols * scale, picture.rows * scale];
      const slack = (size, room) => Math.max(0, (size - room) / 2);
      this.x = clamp(this.x, -slack(w, this.width), slack(w, this.width));
      this.y = clamp(this.y, -slack(h, this.height), slack(h, this.height));
      context.imageSmoothingEnabled = true;
      context.imageSmoothingQuality = "high";
      context.drawImage(this.source, (this.width - w) / 2 + this.x, (this.height - h) / 2 + this.y, w, h);
    }
    this.changed();
  }

  _colour() {
    const { bytes, rows, cols } = this.picture;
    const start = this.frame * rows * cols;
    const colours = table(this.window, this.inverted);
    paint(bytes.subarray(start, start + rows * cols), colours, new Uint32Array(this.memory.data.buffer));
    this.source.getContext("2d").putImageData(this.memory, 0, 0);
    this.stale = false;
    this.seen.add(this.frame);
  }

  _resize() {
    const { width, height } = this.canvas.getBoundingClientRect();
    this.width = width;
    this.height = height;
    this.canvas.width = Math.max(1, Math.round(width * devicePixelRatio));
    this.canvas.height = Math.max(1, Math.round(height * devicePixelRatio));
    this._paint();
  }

  _listen() {
    const { canvas } = this;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("dblclick", () => this.reset());
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY, still: true });
      if (event.button === 1) event.preventDefault();
    });
    canvas.addEventListener("pointermove", (event) => this._move(event));
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture"])
      canvas.addEventListener(kind, (event) => this.fingers.delete(event.pointerId));
  }

  /** A turn of the wheel: slices of a stack; otherwise, and with Ctrl, zoom. */
  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
    if (this.stacked && !event.ctrlKey) return this._turn(lines / 60);
    this.zoomBy(Math.exp(-lines * (event.ctrlKey ? 0.01 : 0.0016)), ...this._place(event.clientX, event.clientY));
  }

  _move(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before || !this.picture) return;
    const now = { x: event.clientX, y: event.clientY };
    const [dx, dy] = [now.x - before.x, now.y - before.y];
    if (before.still && Math.hypot(dx, dy) < 3) return; // a click is not a drag
    const others = [...this.fingers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    this.fingers.set(event.pointerId, now);
    if (others.length) {
      const spread = (at) => Math.hypot(at.x - others[0].x, at.y - others[0].y) || 1;
      const middle = this._place((now.x + others[0].x) / 2, (now.y + others[0].y) / 2);
      this.zoomBy(spread(now) / spread(before), ...middle);
      this.panBy(dx / 2, dy / 2);
    } else if (this.mode === "pan" || this.spaceHeld || event.buttons & 6) {
      this.panBy(dx, dy);
    } else if (this.mode === "slice" && this.stacked) {
      this._turn(dy / Math.max(6, Math.min(24, this.height / this.picture.frames))); // a stack in one stroke
    } else {
      this.windowBy(dx * 0.75, dy * 0.5); // right: softer; up: brighter
    }
  }

  /** Turn by parts of slices, which add up. */
  _turn(slices) {
    this.turned += slices;
    const steps = Math.trunc(this.turned);
    this.turned -= steps;
    if (steps) this.frameBy(steps);
  }

  _place(x, y) {
    const box = this.canvas.getBoundingClientRect();
    return [x - box.left - box.width / 2, y - box.top - box.height / 2];
  }
}

/** Resolves when what was drawn is on the screen: the drawing's own frame, and the one after it. */
export function painted() {
  return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}

/** Grey levels to screen levels: the linear window of DICOM PS3.3 C.11.2.1.2, for 8-bit levels. */

/** The whole range of 8-bit levels: the picture as it was served. */
export const FULL = Object.freeze({ width: 256, level: 128 });

/**
 * Screen colour of each grey level.
 * @param {{width: number, level: number}} window width >= 1 and centre, in grey levels
 * @param {boolean} inverted swap black and white
 * @returns {Uint32Array} 256 opaque greys as they lie in canvas memory (equal bytes: byte order does not matter but for alpha)
 */
export function table(window, inverted) {
  const out = new Uint32Array(256);
  const bytes = new Uint8ClampedArray(out.buffer);
  const middle = window.level - 0.5;
  const reach = Math.max(window.width - 1, 0.001);
  for (let level = 0; level < 256; level++) {
    const share = Math.min(1, Math.max(0, (level - middle) / reach + 0.5));
    bytes.fill(Math.round(255 * (inverted ? 1 - share : share)), 4 * level, 4 * level + 3);
    bytes[4 * level + 3] = 255;
  }
  return out;
}

/** Paint one frame of grey levels into canvas memory. */
export function paint(levels, colours, target) {
  for (let i = 0; i < target.length; i++) target[i] = colours[levels[i]];
}

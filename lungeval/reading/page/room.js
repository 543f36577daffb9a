/** The page's side of the server's API, and what to do when the network fails. */

/** The server understood and said no. */
export class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

/** Worth another try: no answer came, a broken one, or the server is busy. */
class Trouble extends Error {}

export class Room {
  page = "enter";

  /** Enter by an invite's token, or by the session of a page that is loaded again. */
  async enter(by) {
    const { seat, page } = await this._call("enter", by);
    this.page = `${seat}.${page}`;
    return seat;
  }

  state() {
    return this._call("state");
  }

  consent() {
    return this._call("consent", {});
  }

  answer(body) {
    return this._call("answer", body);
  }

  /**
   * The bytes of a picture, exactly as many as its shape says.
   * @param {(share: number) => void} tell called with the share that has come, 0 to 1
   */
  pixels({ presentation, frames, rows, cols }, tell) {
    const bytes = new Uint8Array(frames * rows * cols);
    const seconds = 120 + bytes.length / 32_000; // a stack of 16 MB may take ten minutes
    return this._call(`case/${presentation}`, undefined, (response) => fill(bytes, response.body, tell), seconds);
  }

  async _call(path, body, read = (response) => response.json(), seconds = 20) {
    let response;
    try {
      response = await fetch(`api/${path}`, {
        method: body === undefined ? "GET" : "POST",
        headers: { "X-Reading-Page": this.page, ...(body && { "Content-Type": "application/json" }) },
        body: body && JSON.stringify(body),
        cache: "no-store",
        signal: AbortSignal.timeout(1000 * seconds),
      });
      if (response.ok) return await read(response);
    } catch (fault) {
      throw new Trouble(fault.message);
    }
    if (response.status >= 500 || response.status === 429) throw new Trouble(`status ${response.status}`);
    const told = await response.json().catch(() => ({}));
    throw new Refusal(response.status, told.error ?? "broken", told.message ?? "This did not work.");
  }
}

/** Fill an array from a stream, to the last byte and no further. */
async function fill(bytes, stream, tell) {
  const reader = stream.getReader();
  let come = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    bytes.set(part.value, come); // throws where more comes than fits
    come += part.value.length;
    tell(come / bytes.length);
  }
  if (come !== bytes.length) throw new Error("the picture came incomplete");
  return bytes;
}

/**
 * Do it until it works: waits 1, 2, 4, 8, then 15 s between tries, or until the browser is online again.
 * @param {() => Promise<T>} action the same each time
 * @param {(trouble: boolean) => void} tell called when a try fails, and once it works after all
 */
export async function persist(action, tell) {
  for (let wait = 1; ; wait = Math.min(2 * wait, 15)) {
    try {
      const result = await action();
      if (wait > 1) tell(false);
      return result;
    } catch (fault) {
      if (!(fault instanceof Trouble)) throw fault;
      tell(true);
      await new Promise((done) => {
        setTimeout(done, wait * 1000);
        addEventListener("online", done, { once: true });
      });
    }
  }
}

/** A random UUID; `crypto.randomUUID` is missing on plain http. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

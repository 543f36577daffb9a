/** The clock of one picture: from its paint to the answer, with the time the page was hidden and how often it lost focus. */
export class Clock {
  constructor() {
    this.start();
    addEventListener("blur", () => this.blurs++);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.hiddenSince = performance.now();
      else this._shown();
    });
  }

  start() {
    this.began = performance.now();
    this.blurs = 0;
    this.hidden = 0;
    this.hiddenSince = document.hidden ? this.began : null;
  }

  /** Milliseconds since the paint, hidden time included. */
  read() {
    return Math.min(1e9, Math.round(performance.now() - this.began));
  }

  viewing() {
    this._shown();
    return { blurs: this.blurs, hidden_ms: Math.min(1e9, Math.round(this.hidden)) };
  }

  _shown() {
    if (this.hiddenSince !== null) this.hidden += performance.now() - Math.max(this.hiddenSince, this.began);
    this.hiddenSince = null;
  }
}

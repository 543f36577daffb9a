/**
 * The flow: enter by the link, consent, instructions, one picture after another, thanks.
 * For tests, the root element tells the view (`data-view`) and the number of the picture whose clock runs (`data-open`).
 */
import { AnswerForm } from "./answer.js";
import { Clock } from "./clock.js";
import { allKeys, answerKeys, fill } from "./keyboard.js";
import { Room, Refusal, persist, uuid } from "./room.js";
import { dress } from "./theme.js";
import { controls } from "./tools.js";
import { Viewer, painted } from "./viewer.js";

const byId = (id) => document.getElementById(id);
const root = document.documentElement;
const SEAT = `seat ${location.pathname}`;
const PENDING = `answer ${location.pathname}`;

const room = new Room();
const clock = new Clock();
let study = null;
let form = null;
let viewer = null;
let ahead = null;

function view(name) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== name;
  root.dataset.view = name;
  dress();
  byId("ask-help").hidden = name !== "reading";
  byId("progress").hidden = name !== "reading";
  document.querySelector("main").scrollTop = 0;
  (document.querySelector(`#${name} h1`) ?? byId("picture")).focus({ preventScroll: true });
}

function message(title, text, act, action) {
  byId("message").querySelector("h1").textContent = title;
  byId("message-text").textContent = text;
  byId("message-act").hidden = !act;
  byId("message-act").textContent = act ?? "";
  byId("message-act").onclick = action;
  view("message");
}

/** Paragraphs, parted by blank lines. */
function prose(box, text) {
  const parts = text.split(/\n\s*\n/).map((part) => part.trim()).filter(Boolean);
  box.replaceChildren(...parts.map((part) => Object.assign(document.createElement("p"), { textContent: part })));
}

function say(text, kind = "") {
  const status = byId("status");
  if (status.textContent !== text) status.textContent = text;
  status.dataset.kind = kind;
}

function press(button) {
  return new Promise((done) => button.addEventListener("click", done, { once: true }));
}

async function enter() {
  const token = location.hash.slice(1);
  if (token) history.replaceState(null, "", location.pathname + location.search);
  const seat = sessionStorage.getItem(SEAT);
  if (!token && !seat) throw new Refusal(401, "enter", "Please open the link of your invitation.");
  const trouble = (on) => on && message("No connection", "The study cannot be reached. Trying again …");
  sessionStorage.setItem(SEAT, await persist(() => room.enter(token ? { token } : { seat }), trouble));
  return persist(() => room.state(), trouble);
}

async function consent() {
  prose(byId("consent-text"), study.consent);
  view("consent");
  await press(byId("agree"));
  byId("agree").disabled = true;
  const aside = byId("agree").nextElementSibling;
  study = await persist(() => room.consent(), (on) => (aside.textContent = on ? "No connection. Trying again …" : ""));
}

async function introduce() {
  const { done, total } = study.progress;
  byId("intro-eyebrow").textContent = done ? `${done} of ${total} images read` : `${total} images · reader ${study.reader}`;
  byId("intro-title").textContent = done ? "Welcome back" : study.title;
  prose(byId("instructions"), study.instructions);
  byId("prevalence").hidden = !study.prevalence;
  byId("prevalence").textContent = study.prevalence ?? "";
  fill(byId("intro-keys"), answerKeys(study.labels, study.confidence));
  byId("start").textContent = done ? `Go on with image ${done + 1}` : "Start with image 1";
  fetchAhead(study.next);
  view("intro");
  await press(byId("start"));
}

/** Begin to fetch a picture; one at a time, ever. */
function fetchAhead(slot) {
  if (!slot || ahead?.presentation === slot.presentation) return;
  ahead = { presentation: slot.presentation, bytes: room.pixels(slot) };
  ahead.bytes.catch(() => (ahead = null)); // fetched again when it is needed, with a word to the reader
}

async function pixels(slot) {
  const early = ahead?.presentation === slot.presentation ? await ahead.bytes.catch(() => null) : null;
  ahead = null;
  const trouble = (on) => say(on ? "No connection. The image will be fetched as soon as it is back." : "", on ? "trouble" : "");
  return early ?? persist(() => room.pixels(slot), trouble);
}

/** Show a picture and take its answer. @returns the body to send */
async function read(slot) {
  const number = study.progress.done + 1;
  byId("count").textContent = `${number} of ${study.progress.total}`;
  Object.assign(byId("done"), { max: study.progress.total, value: study.progress.done });
  const slow = setTimeout(() => (byId("loading").hidden = false), 400);
  const bytes = await pixels(slot).finally(() => clearTimeout(slow));
  byId("loading").hidden = true;
  viewer.show(bytes, slot);
  byId("picture").setAttribute("aria-label", `Lung image ${number} of ${study.progress.total}`);
  await painted();
  clock.start();
  const answer = form.ask();
  root.dataset.open = number;
  fetchAhead(study.following);
  const given = await answer;
  const rt_ms = clock.read();
  delete root.dataset.open;
  const viewing = { ...viewer.viewing(), ...clock.viewing() };
  return { presentation: slot.presentation, ...given, rt_ms, attempt: uuid(), viewing };
}

/** Send an answer until it is stored; it is kept over a reload of the page. */
async function send(body) {
  sessionStorage.setItem(PENDING, JSON.stringify(body));
  const slow = setTimeout(() => say("Saving …"), 600);
  const trouble = (on) => {
    clearTimeout(slow);
    if (on) say("No connection. Your answer is kept and will be sent as soon as it is back.", "trouble");
    else say("Connected again; your answer is saved.");
  };
  try {
    Object.assign(study, await persist(() => room.answer(body), trouble));
  } catch (fault) {
    if (!(fault instanceof Refusal) || fault.status === 401) throw fault;
    say(fault.message, "trouble");
    study = await persist(() => room.state(), trouble);
  } finally {
    clearTimeout(slow);
  }
  sessionStorage.removeItem(PENDING);
  if (byId("status").textContent === "Saving …") say("");
}

async function sendKept() {
  const kept = JSON.parse(sessionStorage.getItem(PENDING) ?? "null");
  if (kept && kept.presentation === study.next?.presentation) await send(kept);
  sessionStorage.removeItem(PENDING);
}

async function main() {
  study = await enter();
  document.title = study.title;
  byId("title").textContent = study.title;
  byId("ribbon").textContent = study.ribbon;
  byId("ribbon").hidden = !study.ribbon;
  await sendKept();
  if (!study.consented) await consent();
  if (study.next) {
    await introduce();
    view("reading");
    form = new AnswerForm(study.labels, study.confidence);
    viewer = new Viewer(byId("picture"));
    controls(viewer, form);
    fill(byId("help-keys"), allKeys(study.labels, study.confidence));
    for (let first = true; study.next; first = false) {
      const body = await read(study.next);
      if (first) say("");
      await send(body);
      viewer.clear();
      byId("picture").focus({ preventScroll: true });
    }
  }
  const { total } = study.progress;
  byId("end-text").textContent = total
    ? `You have read all ${total} images, and every answer is saved.` : "There are no images for you in this study.";
  view("end");
}

function fail(fault) {
  if (fault instanceof Refusal && fault.code === "elsewhere")
    message("Opened elsewhere", "This study was opened in another window or on another device since. Go on there, or here.",
      "Go on here", () => location.reload());
  else if (fault instanceof Refusal && fault.code === "closed") message("This list is closed", fault.message);
  else if (fault instanceof Refusal && fault.code === "enter") message("Your invitation, please", fault.message);
  else message("Something went wrong", `${fault.message} Your answers are kept.`, "Try again", () => location.reload());
  if (!(fault instanceof Refusal)) throw fault;
}

byId("ask-help").addEventListener("click", () => byId("help").showModal());
addEventListener("hashchange", () => location.hash.length > 1 && location.reload());
addEventListener("beforeunload", (event) => sessionStorage.getItem(PENDING) && event.preventDefault());
addEventListener("keydown", (event) => {
  if (root.dataset.view === "intro" && event.key === "Enter" && !event.repeat && event.target.tagName !== "BUTTON")
    byId("start").click();
});
dress();
main().catch(fail);

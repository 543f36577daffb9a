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
  const { done, total, practised, practice } = study.progress;
  const begun = done + practised;
  byId("intro-eyebrow").textContent = begun ? `${done} of ${total} images read` : `${total} images · reader ${study.reader}`;
  byId("intro-title").textContent = begun ? "Welcome back" : study.title;
  prose(byId("instructions"), study.instructions);
  byId("prevalence").hidden = !study.prevalence;
  byId("prevalence").textContent = study.prevalence ?? "";
  byId("practice-first").hidden = !study.next.practice;
  byId("practice-first").textContent = practice === 1 ? "First comes one practice image. It is not counted."
    : `First come ${practice} practice images. They are not counted.`;
  fill(byId("intro-keys"), answerKeys(study.labels, study.confidence, study.next.frames > 1));
  const what = study.next.practice ? `practice ${practised + 1}` : `image ${done + 1}`;
  byId("start").textContent = `${begun ? "Go on" : "Start"} with ${what}`;
  fetchAhead(study.next);
  view("intro");
  await press(byId("start"));
}

/** Begin to fetch a picture; one at a time, ever. */
function fetchAhead(slot) {
  if (!slot || ahead?.presentation === slot.presentation) return;
  const own = { presentation: slot.presentation, share: 0 };
  own.bytes = room.pixels(slot, (share) => (own.share = share));
  own.bytes.catch(() => ahead === own && (ahead = null)); // fetched again when needed, with a word to the reader
  ahead = own;
}

async function pixels(slot) {
  const hidden = setTimeout(() => (byId("loading").hidden = false), 400);
  const told = byId("loading").querySelector("progress");
  byId("loading").querySelector("span").textContent = slot.frames > 1 ? `Loading ${slot.frames} slices …` : "Loading the image …";
  const tell = (share) => Object.assign(told, { hidden: slot.frames < 2, value: share });
  const watch = setInterval(() => tell(ahead?.share ?? told.value), 100);
  try {
    return await come(slot, tell);
  } finally {
    clearTimeout(hidden);
    clearInterval(watch);
    byId("loading").hidden = true;
  }
}

async function come(slot, tell) {
  tell(0);
  const early = ahead?.presentation === slot.presentation ? await ahead.bytes.catch(() => null) : null;
  ahead = null;
  const trouble = (on) => say(on ? "No connection. The image will be fetched as soon as it is back." : "", on ? "trouble" : "");
  return early ?? persist(() => room.pixels(slot, tell), trouble);
}

/** Show a picture and take its answer. @returns the body to send */
async function read(slot) {
  const { done, total, practised, practice } = study.progress;
  const [before, all] = slot.practice ? [practised, practice] : [done, total];
  const number = before + 1;
  root.toggleAttribute("data-practice", slot.practice);
  byId("count").textContent = slot.practice ? `Practice ${number} of ${all}: not counted` : `${number} of ${all}`;
  Object.assign(byId("done"), { max: all, value: before });
  viewer.show(await pixels(slot), slot);
  const name = slot.frames > 1 ? "Stack of lung slices" : "Lung image";
  byId("picture").setAttribute("aria-label", `${slot.practice ? "Practice: l" + name.slice(1) : name} ${number} of ${all}`);
  await painted();
  clock.start();
  const answer = form.ask();
  root.dataset.open = slot.practice ? `practice-${number}` : number;
  fetchAhead(study.following);
  const given = await answer;
  const rt_ms = clock.read();
  delete root.dataset.open;
  const viewing = { ...viewer.viewing(), ...clock.viewing() };
  return { presentation: slot.presentation, ...given, rt_ms, attempt: uuid(), viewing };
}

/** Between practice and study, and between blocks: the reader says when it goes on. */
async function pause(before, next) {
  const { done, total, blocks } = study.progress;
  byId("pause-eyebrow").textContent = before.practice ? "Practice is done" : `Block ${before.block} of ${blocks} is done`;
  byId("pause-title").textContent = before.practice ? "The study begins now" : "Take a break if you like";
  byId("pause-text").textContent = before.practice
    ? `${total} images. From here on every answer counts.`
    : `You have read ${done} of ${total} images, and every answer is saved.`;
  byId("pause-aside").textContent = before.practice ? "" : "The time of your break is not measured.";
  byId("go-on").textContent = `${before.practice ? "Start" : "Go on"} with image ${done + 1}`;
  fetchAhead(next);
  view("pause");
  await press(byId("go-on"));
  view("reading");
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
    for (let first = true; study.next; first = false) {
      const slot = study.next;
      fill(byId("help-keys"), allKeys(study.labels, study.confidence, slot.frames > 1));
      const body = await read(slot);
      if (first) say("");
      await send(body);
      viewer.clear();
      if (study.next && study.next.block !== slot.block) await pause(slot, study.next);
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
  if (event.key !== "Enter" || event.repeat || event.target.tagName === "BUTTON") return;
  if (root.dataset.view === "intro") byId("start").click();
  if (root.dataset.view === "pause") byId("go-on").click();
});
dress();
main().catch(fail);

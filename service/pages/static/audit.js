// The audit page: one picture and one question at a time, by button or by key; the machine's answer comes after one's own.
import { ask, explain, make } from "./common.js";

const root = document.getElementById("audit");
const base = `/v1/evaluations/${root.dataset.evaluation}/audits`;
const part = (id) => document.getElementById(id);
const SAVED = ["person", "keys", "reveal"];
const REDRAW_MS = 700;
const WORDS = { holds: "holds", minor: "minor", fails: "fails", cant_tell: "can’t tell", not_measurable: "not measurable" };
const KEYS = { h: "holds", m: "minor", f: "fails", c: "cant_tell", 1: "holds", 2: "minor", 3: "fails", 4: "cant_tell" };
let item = null;
let labelled = false;
let busy = false;

const complain = (text) => {
  part("problem").hidden = !text;
  part("problem").textContent = text ?? "";
};
const say = (text) => {
  part("said").textContent = text;
};
const person = () => part("person").value.trim() || "unnamed";

/** Run one request at a time, and tell what went wrong. */
const work = async (task) => {
  if (busy) return;
  busy = true;
  complain("");
  try {
    await task();
  } catch (error) {
    complain(error.message);
  }
  busy = false;
};

let stale = false;
let drawing = false;
/** Draw the results again: soon, but never twice at once, and not after every one of several quick labels. */
const showResults = async () => {
  stale = true;
  if (drawing) return;
  drawing = true;
  while (stale) {
    await new Promise((done) => setTimeout(done, REDRAW_MS));
    stale = false;
    const response = await fetch(`/evaluations/${root.dataset.evaluation}/audit?part=results`).catch(() => null);
    if (response?.ok) part("results").innerHTML = await response.text();
  }
  drawing = false;
};

const about = (given) => ({ picture: "The whole picture", question: "Your question" })[given.check] ?? `${given.check.replaceAll("_", " ")}${given.character ? ` · ${given.character}` : ""}`;

const whose = (given) => (given.run === "control" ? "no LoRA" : given.epoch === null ? given.run : `${given.run} epoch ${given.epoch}`);

const clearBoxes = () => {
  part("boxes").replaceChildren();
  part("boxes").setAttribute("hidden", "");
};

const showBoxes = (findings) => {
  clearBoxes();
  const picture = part("picture");
  if (!picture.naturalWidth) return;
  const boxes = findings.flatMap((finding) => Object.entries(finding.evidence ?? {}).filter(([key, value]) => key.endsWith("box") && Array.isArray(value) && value.length === 4 && typeof value[0] === "number" && key !== "person_box").map(([, value]) => value));
  for (const [x0, y0, x1, y1] of boxes)
    for (const kind of ["under", "over"]) {
      const box = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [name, value] of Object.entries({ x: x0, y: y0, width: Math.max(x1 - x0, 1), height: Math.max(y1 - y0, 1), rx: 2, class: kind })) box.setAttribute(name, value);
      part("boxes").append(box);
    }
  part("boxes").setAttribute("viewBox", `0 0 ${picture.naturalWidth} ${picture.naturalHeight}`);
  if (boxes.length) part("boxes").removeAttribute("hidden");
};

const showItem = (given, waiting) => {
  item = given;
  labelled = false;
  part("stage").hidden = part("judge").hidden = !given;
  part("nothing").hidden = Boolean(given);
  part("told").hidden = part("next").hidden = true;
  clearBoxes();
  for (const button of root.querySelectorAll("[data-answer]")) {
    button.disabled = false;
    button.removeAttribute("aria-pressed");
  }
  part("waiting").textContent = waiting > 1 ? `${waiting - 1} more wait` : "the last one";
  if (!given) {
    const again = part("second").checked;
    part("nothing-title").textContent = again ? "Nothing waits for a second label" : "Nothing waits for a label";
    part("nothing-text").textContent = again ? "Every item with a first label has a second one." : "Draw some pictures below.";
    if (!again) part("draw-box").open = true;
    return;
  }
  part("about").textContent = about(given);
  part("question").textContent = given.question;
  part("prompt").textContent = `Prompt: ${given.prompt}`;
  part("picture").src = `/v1/images/${given.image}`;
  part("picture").alt = `The picture to judge: ${given.scenario}, seed ${given.seed}`;
  part("caption").textContent = `${given.scenario}, seed ${given.seed}`;
  const beside = (given.check === "question" || given.check === "picture") && given.control && given.control !== given.image;
  part("control-figure").hidden = !beside;
  if (beside) {
    part("control").src = `/v1/images/${given.control}`;
    part("control").alt = `The same prompt and seed without a LoRA: ${given.scenario}, seed ${given.seed}`;
  }
  say(given.question);
};

/** Offer to take a label back only while there is one. */
const offerUndo = (undoable) => {
  for (const id of ["undo", "undo-last"]) part(id).hidden = !undoable;
};

const load = async () => {
  const query = new URLSearchParams({ second: part("second").checked, person: person() });
  const { item: given, waiting, undoable } = await ask("GET", `${base}/next?${query}`);
  showItem(given, waiting);
  offerUndo(undoable);
};

const machineLine = (machine) => {
  const score = typeof machine.score === "number" ? `, score ${machine.score.toFixed(2)}` : "";
  return `The machine says ${WORDS[machine.verdict] ?? machine.verdict}${score}${machine.reason ? `: ${machine.reason}` : ""}`;
};

const tell = (told, answer) => {
  const { machine } = told;
  const box = part("told");
  box.replaceChildren(make("p", { class: "small soft" }, `${whose(told)}, ${told.scenario}, seed ${told.seed}`));
  box.className = "told";
  if (machine) {
    const clear = answer !== "cant_tell";
    const agrees = (machine.verdict === "fails") === (answer === "fails");
    if (clear) box.classList.add(agrees ? "agrees" : "contradicts");
    box.prepend(make("p", {}, make("b", {}, clear ? (agrees ? "You agree. " : "You disagree. ") : ""), machineLine(machine)));
    const findings = machine.findings ?? [machine];
    for (const finding of machine.findings ?? []) if (finding.verdict === "fails") box.append(make("p", { class: "small" }, `${finding.check.replaceAll("_", " ")}: ${finding.reason || "fails"}`));
    showBoxes(findings);
  }
  box.hidden = part("next").hidden = false;
  say(`${box.textContent} Press Enter for the next one.`);
  part("next").focus();
};

const answer = (verdict) =>
  work(async () => {
    if (!item || labelled) return;
    const told = await ask("PUT", `${base}/${item.id}/label`, { verdict, person: person(), second: part("second").checked, source: "page" });
    labelled = true;
    offerUndo(true);
    for (const button of root.querySelectorAll("[data-answer]")) {
      button.disabled = true;
      button.setAttribute("aria-pressed", String(button.dataset.answer === verdict));
    }
    showResults();
    if (part("reveal").checked && !part("second").checked) return tell(told, verdict);
    return load();
  });

const next = () => work(load);

const undo = () =>
  work(async () => {
    if (part("undo").hidden) return;
    await ask("POST", `${base}/undo`, { person: person() });
    await load();
    say(`Taken back. ${item ? item.question : ""}`);
    part("question").focus();
    showResults();
  });

root.addEventListener("click", (event) => {
  const button = event.target.closest("[data-answer]");
  if (button) answer(button.dataset.answer);
});
part("next").addEventListener("click", next);
part("undo").addEventListener("click", undo);
part("undo-last").addEventListener("click", undo);
part("second").addEventListener("change", next);
part("person").addEventListener("change", () => labelled || next());

document.addEventListener("keydown", (event) => {
  if (!part("keys").checked || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("input:not([type=checkbox]), select, textarea")) return;
  const key = event.key.toLowerCase();
  if (key in KEYS) answer(KEYS[key]);
  else if (key === "u") undo();
  else if (key === "enter" && labelled && !event.target.closest("button, a, summary")) next();
});

for (const id of SAVED) {
  const field = part(id);
  const name = `bleedcheck-audit-${id}`;
  const kept = localStorage.getItem(name);
  if (kept !== null && field.type === "checkbox") field.checked = kept === "true";
  else if (kept !== null) field.value = kept;
  field.addEventListener("change", () => localStorage.setItem(name, field.type === "checkbox" ? field.checked : field.value));
}

const form = part("draw");
form.elements.about.addEventListener("change", () => {
  part("free").hidden = form.elements.about.value !== "question";
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  work(async () => {
    const wanted = { size: Number(form.elements.size.value), about: form.elements.about.value };
    if (wanted.about === "question") wanted.question = form.elements.question.value;
    const drawn = await ask("POST", `${base}/draws`, wanted);
    await load();
    say(`${drawn.size} items drawn.`);
    part("draw-box").open = false;
    part("question").focus();
    showResults();
  });
});

part("table").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (!file) return;
  work(async () => {
    const response = await fetch(`${base}/labels.csv?person=${encodeURIComponent(person())}`, { method: "POST", headers: { "content-type": "text/csv" }, body: file });
    const text = await response.text();
    event.target.value = "";
    if (!response.ok) throw new Error(explain(text, response.status));
    const brought = JSON.parse(text);
    say(`${brought.labels} new labels taken in.`);
    await load();
    showResults();
  });
});

work(load);

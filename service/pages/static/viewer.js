// Opens one cell: its picture, what is drawn over it, its findings, and the control beside it.
import { ask, make } from "./common.js";

const SYMBOLS = { holds: "✓", minor: "~", fails: "✕", not_measurable: "?", invalid: "!", pending: "…" };
const WORST_FIRST = ["fails", "not_measurable", "minor", "holds"];
const dialog = document.getElementById("viewer");
const part = (name) => dialog.querySelector(`[data-part="${name}"]`);
const words = (text) => text.replaceAll("_", " ");
let shown = null;
let steps = () => null;
let closed = () => {};

const label = (verdict, severity) => (verdict === "fails" && ["lost", "fused"].includes(severity) ? severity : verdict === "minor" ? "slightly off" : words(verdict));
const badge = (verdict, severity) => make("span", { class: `badge ${verdict}` }, make("span", { "aria-hidden": "true" }, SYMBOLS[verdict] ?? "?"), ` ${label(verdict, severity)}`);

const layers = () => [...part("layers").querySelectorAll("input:checked")].map((box) => box.value);

const pictures = (cell) => {
  const chosen = layers().filter((layer) => layer !== "control");
  const frame = make("div", { class: "frame" });
  const name = cell.run === "control" ? "no LoRA" : `${cell.run}${cell.epoch === null ? "" : ` epoch ${cell.epoch}`}`;
  frame.append(make("img", { src: cell.image_url, alt: `${name}, ${cell.scenario}, seed ${cell.seed}`, width: cell.width, height: cell.height }));
  if (chosen.length && cell.overlay_url && !cell.invalid) {
    const over = make("img", { class: "over", src: `${cell.overlay_url}&layers=${chosen.join(",")}&transparent=true`, alt: "" });
    // Masks and strands are looked for anew, which takes a while the first time: somebody who waits should know.
    const waiting = make("p", { class: "waiting small", role: "status" }, "Drawing…");
    over.addEventListener("load", () => waiting.remove());
    over.addEventListener("error", () => {
      over.remove();
      waiting.textContent = "Nothing could be drawn over it.";
    });
    frame.append(over, waiting);
  }
  return frame;
};

const beside = ({ shown, pictures }) => {
  if (!pictures) return "No other picture of this prompt and seed has been judged yet.";
  if (shown) return `${shown} of ${pictures} other pictures of this prompt and seed show it.`;
  return `None of ${pictures} other pictures of this prompt and seed shows it: it may be covered.`;
};

const item = (finding, elsewhere) => {
  const node = make("li", {});
  node.append(make("div", { class: "head" }, badge(finding.verdict, finding.severity), make("span", {}, words(finding.check) + (finding.character ? ` · ${finding.character}` : ""))));
  if (finding.reason) node.append(make("p", {}, finding.reason));
  const absent = elsewhere.find((each) => each.check === finding.check && each.character === finding.character);
  if (absent) node.append(make("p", {}, beside(absent)));
  node.append(make("p", {}, `${finding.detector} ${finding.version}${finding.score === null || finding.score === undefined ? "" : `, score ${finding.score.toFixed(2)}`}`));
  return node;
};

const draw = async (cell) => {
  part("title").textContent = cell.run === "control" ? "Control without LoRA" : `${cell.run}${cell.epoch === null ? "" : ` epoch ${cell.epoch}`}`;
  part("place").textContent = `${cell.scenario}, seed ${cell.seed}`;
  part("verdict").replaceChildren(badge(cell.state, cell.severity));
  part("prompt").textContent = cell.prompt;
  const stage = cell.image_url ? [pictures(cell)] : [make("p", { class: "soft" }, "There is no picture yet.")];
  part("stage").replaceChildren(...stage);
  const rows = [...cell.evidence].sort((one, two) => WORST_FIRST.indexOf(one.verdict) - WORST_FIRST.indexOf(two.verdict)).map((finding) => item(finding, cell.elsewhere ?? []));
  if (cell.invalid) rows.unshift(make("li", {}, cell.invalid));
  if (!rows.length) rows.push(make("li", {}, "No detector has looked at this picture."));
  part("findings").replaceChildren(...rows);
  part("open").hidden = !cell.image_url;
  if (cell.image_url) part("open").href = cell.image_url;
  part("strip").href = `/evaluations/${dialog.dataset.evaluation}/strip?${new URLSearchParams({ scenario: cell.scenario, seed: cell.seed })}`;
  for (const button of dialog.querySelectorAll("[data-go]")) button.disabled = steps(button.dataset.go, cell.id) === null;
  if (layers().includes("control") && cell.control && cell.control !== cell.id) {
    const control = await ask("GET", `/v1/evaluations/${dialog.dataset.evaluation}/cells/${cell.control}`);
    if (shown?.id === cell.id && control.image_url) part("stage").append(make("div", { class: "beside" }, pictures(control), make("p", { class: "small soft" }, "no LoRA")));
  }
};

/** Open a cell; `next(direction, id)` gives the neighbour's id or null, `done(id)` is told where it was closed. */
export const open = async (evaluation, id, next = steps, done = closed) => {
  steps = next;
  closed = done;
  dialog.dataset.evaluation = evaluation;
  try {
    shown = await ask("GET", `/v1/evaluations/${evaluation}/cells/${id}`);
    if (!dialog.open) dialog.showModal();
    await draw(shown);
  } catch (error) {
    if (!dialog.open) dialog.showModal();
    part("stage").replaceChildren(make("p", { class: "problem" }, error.message));
  }
};

const go = (direction) => {
  const id = shown && steps(direction, shown.id);
  if (id) open(dialog.dataset.evaluation, id);
};

dialog.addEventListener("click", (event) => {
  if (event.target === dialog || event.target.closest(".close")) dialog.close();
  const button = event.target.closest("[data-go]");
  if (button) go(button.dataset.go);
});
dialog.addEventListener("keydown", (event) => {
  const direction = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" }[event.key];
  if (!direction || event.target.matches("input")) return;
  event.preventDefault();
  go(direction);
});
part("layers").addEventListener("change", () => shown && draw(shown));
dialog.addEventListener("close", () => closed(shown?.id));

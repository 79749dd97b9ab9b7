// Counts what an evaluation takes while it is being put together, and starts it.
import { ask, count } from "./common.js";

const form = document.getElementById("new");
if (form) {
  const problem = document.getElementById("problem");
  const start = document.getElementById("start");
  const boxes = () => [...form.querySelectorAll('input[name="checkpoint"]')];
  const number = (name) => (form.elements[name].value === "" ? null : Number(form.elements[name].value));

  const complain = (text) => {
    problem.hidden = !text;
    problem.textContent = text;
  };

  const wanted = () => ({
    checkpoints: boxes().filter((box) => box.checked).map((box) => box.value),
    suite: form.elements.suite.value,
    seeds: number("seeds"),
    scale: number("scale") ?? 1,
    batch_size: number("batch_size") ?? 4,
  });

  const reckon = () => {
    const { checkpoints, seeds } = wanted();
    const suite = form.querySelector('input[name="suite"]:checked').dataset;
    const used = Math.min(seeds ?? Number(suite.seeds), Number(suite.seeds));
    const images = (checkpoints.length + 1) * Number(suite.scenarios) * used;
    document.getElementById("images").textContent = checkpoints.length ? count(images) : "–";
    document.getElementById("sum").textContent = checkpoints.length
      ? `(${checkpoints.length} checkpoint${checkpoints.length === 1 ? "" : "s"} + the control) × ${suite.scenarios} scenarios × ${used} seed${used === 1 ? "" : "s"}`
      : "Choose at least one checkpoint.";
    start.disabled = !checkpoints.length;
    complain(seeds !== null && seeds > Number(suite.seeds) ? `Suite ${form.elements.suite.value} has ${suite.seeds} seeds.` : "");
  };

  const pick = (group, test) => {
    for (const box of group.querySelectorAll('input[name="checkpoint"]')) box.checked = test(box);
    reckon();
  };

  form.addEventListener("click", (event) => {
    const choice = event.target.dataset?.pick;
    if (choice) pick(event.target.closest("fieldset"), () => choice === "all");
  });
  form.addEventListener("input", (event) => {
    if (!("range" in event.target.dataset)) return reckon();
    const match = /^\s*(\d+)\s*(-?)\s*(\d*)\s*$/.exec(event.target.value);
    if (!match) return undefined;
    const first = Number(match[1]);
    const last = match[3] ? Number(match[3]) : match[2] ? Number.POSITIVE_INFINITY : first;
    return pick(event.target.closest("fieldset"), (box) => box.dataset.epoch !== "" && Number(box.dataset.epoch) >= first && Number(box.dataset.epoch) <= last);
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    start.disabled = true;
    complain("");
    try {
      const evaluation = await ask("POST", "/v1/evaluations", wanted());
      location.assign(`/evaluations/${evaluation.id}`);
    } catch (error) {
      complain(error.message);
      start.disabled = false;
    }
  });
  reckon();
}

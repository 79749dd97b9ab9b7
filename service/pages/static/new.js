// Counts what an evaluation takes while it is being put together, and starts it.
import { ask, bytes, count, duration, make } from "./common.js";

const form = document.getElementById("new");
if (form) {
  const problem = document.getElementById("problem");
  const start = document.getElementById("start");
  const boxes = () => [...form.querySelectorAll('input[name="checkpoint"]')];
  const number = (name) => (form.elements[name].value === "" ? null : Number(form.elements[name].value));

  const part = (name) => document.getElementById(name);
  let plans = [];
  let measured = false;
  let timer = 0;
  let asked = 0;

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

  /** The plan that was picked, or simply everything that was chosen. */
  const chosen = () => {
    const plan = plans[form.elements.plan?.value]?.plan;
    if (!plan) return wanted();
    return { ...wanted(), checkpoints: plan.checkpoints.map((each) => each.id), seeds: plan.seeds.length, scenarios: plan.scenarios };
  };

  const takes = (plan) =>
    [
      `${count(plan.images)} images${plan.images_there ? ` (${count(plan.images_there)} there already)` : ""}`,
      plan.hours ? duration(plan.hours * 3600) : "nothing left to make",
      `${bytes(plan.disk_bytes)} of disk${plan.disk_enough ? "" : ", more than is free"}`,
      plan.cost === null ? null : `costs ${plan.cost.toFixed(2)}`,
    ]
      .filter((fact) => fact)
      .join(", ");

  const offer = (found) => {
    const { other_plans: others, ...taken } = found;
    plans = [taken, ...others].sort((one, two) => two.images - one.images);
    part("plan-list").replaceChildren(
      ...plans.map((plan, place) =>
        make(
          "label",
          { class: "suite" },
          make("input", { type: "radio", name: "plan", value: place, checked: plan === taken }),
          make("span", {}, make("b", {}, plan.plan.name), make("span", { class: "small block" }, takes(plan)), plan.plan.left_out.length ? make("span", { class: "small soft block" }, `without ${plan.plan.left_out.join("; ")}`) : null),
        ),
      ),
    );
    part("plans").hidden = false;
    part("measured").textContent = `Measured on ${taken.measured.device}: ${taken.seconds_per_image.toFixed(2)} s an image.`;
    part("said").textContent = `${taken.plan.name}: ${takes(taken)}`;
    part("images").textContent = count(taken.images);
  };

  const forget = () => {
    plans = [];
    part("plans").hidden = true;
  };

  const estimate = async () => {
    const number_ = ++asked;
    const { checkpoints, ...rest } = wanted();
    if (!checkpoints.length) return;
    part("estimate").disabled = true;
    part("estimate").textContent = measured ? "Reckoning…" : "Measuring…";
    try {
      const hours = number("max_hours");
      const found = await ask("POST", "/v1/estimates", { ...rest, checkpoints, full: hours === null, max_hours: hours, price: number("price") });
      if (number_ !== asked) return;
      measured = true;
      offer(found);
      complain("");
    } catch (error) {
      if (number_ !== asked) return;
      forget();
      complain(error.message);
    } finally {
      part("estimate").disabled = false;
      part("estimate").textContent = "Estimate hours, disk and cost";
    }
  };

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
    forget();
    clearTimeout(timer);
    if (measured) timer = setTimeout(estimate, 400);
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
    if (event.target.name === "plan") {
      part("images").textContent = count(plans[event.target.value].images);
      return undefined;
    }
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
      const evaluation = await ask("POST", "/v1/evaluations", chosen());
      location.assign(`/evaluations/${evaluation.id}`);
    } catch (error) {
      complain(error.message);
      start.disabled = false;
    }
  });
  part("suite-file").addEventListener("change", async (event) => {
    const text = await event.target.files[0].text();
    event.target.value = "";
    try {
      const verdict = await ask("POST", "/v1/suites/validate", { text });
      part("suite-faults").replaceChildren(...verdict.errors.map((fault) => make("li", {}, `${fault.line ? `Line ${fault.line}, ` : ""}${fault.field}: ${fault.message}`)));
      if (!verdict.valid) return;
      const added = await ask("POST", "/v1/suites", { text });
      const query = new URLSearchParams(location.search);
      query.set("suite", added.name);
      location.search = query;
    } catch (error) {
      part("suite-faults").replaceChildren(make("li", {}, error.message));
    }
  });
  part("estimate").addEventListener("click", estimate);
  reckon();
}

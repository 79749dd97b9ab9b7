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

  const inRounds = () => form.elements.until.value === "decided";

  // Without a batch size the service takes what this machine has room for.
  const wanted = () => ({
    checkpoints: boxes().filter((box) => box.checked).map((box) => box.value),
    suite: form.elements.suite.value,
    scale: number("scale") ?? 1,
    batch_size: number("batch_size"),
    ...(inRounds() ? { until: "decided", max_images: number("max_images") } : { seeds: number("seeds") }),
  });

  /** The plan that was picked, or simply everything that was chosen. */
  const chosen = () => {
    const plan = plans[form.elements.plan?.value]?.plan;
    if (!plan || plan.until) return wanted();
    return { ...wanted(), checkpoints: plan.checkpoints.map((each) => each.id), seeds: plan.seeds.length, scenarios: plan.scenarios };
  };

  const takes = (plan) =>
    [
      `${plan.plan.until ? "at most " : ""}${count(plan.images)} images${plan.images_there ? ` (${count(plan.images_there)} there already)` : ""}`,
      plan.hours ? duration(plan.hours * 3600) : "nothing left to make",
      `${bytes(plan.disk_bytes)} of disk${plan.disk_enough ? "" : ", more than is free"}`,
      plan.cost === null ? null : `costs ${plan.cost.toFixed(2)}`,
    ]
      .filter((fact) => fact)
      .join(", ");

  const offer = (found) => {
    const { other_plans: others, notices, ...taken } = found;
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
    part("notices").replaceChildren(...notices.map((notice) => make("li", {}, notice)));
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
    if (start.disabled) return;
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

  const plural = (number_, word) => `${count(number_)} ${word}${number_ === 1 ? "" : "s"}`;

  /** What a grid takes: images, the sum in words, and what is wrong with it. */
  const grid = (checkpoints, suite) => {
    const seeds = number("seeds");
    const used = Math.min(seeds ?? suite.seeds, suite.seeds);
    return {
      images: (checkpoints + 1) * suite.scenarios * used,
      sum: checkpoints ? `(${plural(checkpoints, "checkpoint")} + the control) × ${plural(suite.scenarios, "scenario")} × ${plural(used, "seed")}` : "Choose at least one checkpoint.",
      wrong: seeds !== null && seeds > suite.seeds ? `Suite ${form.elements.suite.value} has ${suite.seeds} seeds.` : "",
    };
  };

  /** The same for rounds; they begin with one seed of every scenario for everything that takes part. */
  const rounds = (checkpoints, suite) => {
    const least = (checkpoints + 1) * suite.scenarios;
    const most = number("max_images");
    return {
      images: most ?? least * suite.seeds,
      sum: checkpoints > 1 ? `${plural(checkpoints, "checkpoint")} + the control, ${plural(suite.scenarios, "scenario")}; it ends as soon as it is decided` : "Choose at least two checkpoints to decide between.",
      wrong: checkpoints > 1 && most !== null && most < least ? `One seed of every scenario for every checkpoint takes ${count(least)} images: allow that many, or choose fewer checkpoints.` : "",
    };
  };

  const reckon = () => {
    const { checkpoints } = wanted();
    const { scenarios, seeds } = form.querySelector('input[name="suite"]:checked').dataset;
    const found = (inRounds() ? rounds : grid)(checkpoints.length, { scenarios: Number(scenarios), seeds: Number(seeds) });
    const enough = checkpoints.length > (inRounds() ? 1 : 0);
    for (const name of ["fixed", "seeds-hint"]) part(name).hidden = inRounds();
    for (const name of ["budget", "budget-hint"]) part(name).hidden = !inRounds();
    part("images-title").textContent = inRounds() ? "Images at most" : "Images";
    part("images").textContent = enough ? count(found.images) : "–";
    part("sum").textContent = found.sum;
    part("hours-hint").textContent = inRounds() ? "With a limit a budget that might not end in time is refused." : "With a limit the fullest plan that ends in time is taken.";
    start.disabled = !enough || found.wrong !== "";
    forget();
    clearTimeout(timer);
    if (measured && !start.disabled) timer = setTimeout(estimate, 400);
    complain(found.wrong);
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

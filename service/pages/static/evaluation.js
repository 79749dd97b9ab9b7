// The page of one evaluation: follows its progress, draws the results again as they come in, and the chart.
import { drawChart } from "./chart.js";
import { ask, count, duration } from "./common.js";

const live = document.getElementById("live");
const results = document.getElementById("results");
const address = `/v1/evaluations/${live.dataset.evaluation}`;
const OPEN = ["planned", "running"];
const POLL_MS = 2000;
const REDRAW_MS = 6000;
let drawn = { judged: Number(live.dataset.judged), status: live.dataset.status, at: performance.now() };
let started = null;
let source = null;
let timer = 0;

const part = (name) => document.getElementById(name);
const complain = (text) => {
  part("problem").hidden = !text;
  part("problem").textContent = text || "";
};

const left = (state) => {
  if (state.status !== "running") return "";
  if (typeof state.seconds_left === "number") return `about ${duration(state.seconds_left)} left`;
  const now = performance.now();
  if (!started || state.progress.judged < started.judged) started = { judged: state.progress.judged, at: now };
  const made = state.progress.judged - started.judged;
  if (made < 4) return "";
  return `about ${duration(((now - started.at) / 1000 / made) * (state.progress.total - state.progress.judged))} left`;
};

const redraw = async (state) => {
  drawn = { judged: state.progress.judged, status: state.status, at: performance.now() };
  const response = await fetch(`/evaluations/${live.dataset.evaluation}?part=answer`);
  if (!response.ok) return;
  const open = new Set([...results.querySelectorAll("details[open]")].map((node) => node.id));
  const check = results.querySelector(".pick[aria-pressed=true]")?.dataset.check ?? "";
  const focused = document.activeElement?.dataset?.check;
  results.innerHTML = await response.text();
  for (const node of results.querySelectorAll("details")) if (node.id) node.open = open.size ? open.has(node.id) : node.open;
  drawChart(results, check);
  if (focused !== undefined) results.querySelector(`.pick[data-check="${focused}"]`)?.focus();
};

const showTroubles = (problems) => {
  part("troubles").hidden = !problems.length;
  const lines = problems.map((text) => Object.assign(document.createElement("li"), { textContent: text }));
  part("troubles").querySelector("ul").replaceChildren(...lines);
};

const show = (state) => {
  const { progress, status } = state;
  const changed = status !== live.dataset.status;
  live.dataset.status = status;
  live.hidden = status === "finished" && !progress.failed && !state.problems?.length;
  part("state").textContent = state.status_text;
  part("state").className = `state ${status}${progress.failed ? " marred" : ""}`;
  part("counts").textContent = `${count(progress.judged)} of ${count(progress.total)} images judged${progress.generated > progress.judged ? `, ${count(progress.generated)} made` : ""}`;
  part("left").textContent = left(state);
  part("bar").max = progress.total;
  part("bar").value = progress.judged;
  complain(state.error);
  showTroubles(state.problems ?? []);
  live.querySelector('[data-action="cancel"]').hidden = !OPEN.includes(status);
  const resume = live.querySelector('[data-action="resume"]');
  resume.hidden = OPEN.includes(status) || live.hidden;
  resume.textContent = status === "finished" ? "Try again" : "Go on";
  if (changed && !OPEN.includes(status)) part("troubles").open = true;
  if (changed) part("said").textContent = `The evaluation is ${state.status_text}.`;
  const due = performance.now() - drawn.at > REDRAW_MS && progress.judged > drawn.judged;
  if (due || (changed && progress.judged > 0)) redraw(state);
  if (!OPEN.includes(status)) stop();
};

const stop = () => {
  source?.close();
  source = null;
  clearTimeout(timer);
};

const poll = async () => {
  try {
    show(await ask("GET", address));
  } catch (error) {
    complain(error.message);
  }
  if (OPEN.includes(live.dataset.status)) timer = setTimeout(poll, POLL_MS);
};

const follow = () => {
  stop();
  source = new EventSource(`${address}/events`);
  let heard = false;
  const take = (event) => {
    heard = true;
    const state = JSON.parse(event.data);
    if (state.progress) show(state);
  };
  for (const name of ["progress", "end"]) source.addEventListener(name, take);
  source.addEventListener("error", () => {
    // A stream that was heard reconnects by itself; one that cannot be had at all is replaced by asking.
    if (heard && source?.readyState !== EventSource.CLOSED) return;
    stop();
    poll();
  });
};

live.addEventListener("click", async (event) => {
  const action = event.target.dataset?.action;
  if (!action) return;
  event.target.disabled = true;
  try {
    show(await ask("POST", `${address}/${action}`));
    if (OPEN.includes(live.dataset.status)) follow();
  } catch (error) {
    complain(error.message);
  }
  event.target.disabled = false;
});

const refuse = (text) => {
  part("further-problem").hidden = !text;
  part("further-problem").textContent = text;
};

part("extend").addEventListener("submit", async (event) => {
  event.preventDefault();
  refuse("");
  try {
    show(await ask("POST", `${address}/extend`, { fresh_seeds: Number(event.target.elements.fresh_seeds.value) }));
    follow();
  } catch (error) {
    refuse(error.message);
  }
});

part("delete").addEventListener("click", async (event) => {
  if (!confirm(`Delete ${event.target.dataset.name}, with its pictures? This cannot be taken back.`)) return;
  refuse("");
  try {
    await ask("DELETE", address);
    location.assign("/");
  } catch (error) {
    refuse(error.message);
  }
});

results.addEventListener("click", (event) => {
  const button = event.target.closest(".pick");
  if (button) drawChart(results, button.dataset.check);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawChart(results));
addEventListener("load", () => drawChart(results, ""));
if (OPEN.includes(live.dataset.status)) follow();

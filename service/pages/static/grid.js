// The grid: arrow keys, filters without a reload of the whole page, rows that come when they are needed, overlays.
import { ask } from "./common.js";
import { open } from "./viewer.js";

const grid = document.getElementById("grid");
const filters = document.getElementById("filters");
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

const rows = () => [...grid.querySelectorAll(".g-body .g-row:not(.off)")];
const tiles = (row) => [...row.querySelectorAll(".g-cell")].map((cell) => cell.querySelector(".tile"));

const place = (tile) => {
  const row = tile.closest(".g-row");
  return [rows().indexOf(row), tiles(row).indexOf(tile)];
};

/** The next tile in a direction, stepping over places without one. */
const neighbour = (tile, [down, across]) => {
  const all = rows();
  let [y, x] = place(tile);
  for (;;) {
    y += down;
    x += across;
    if (y < 0 || y >= all.length) return null;
    const line = tiles(all[y]);
    if (x < 0 || x >= line.length) return null;
    if (line[x]) return line[x];
  }
};

const focus = (tile) => {
  grid.querySelector('.tile[tabindex="0"]')?.setAttribute("tabindex", "-1");
  tile.setAttribute("tabindex", "0");
  tile.focus({ preventScroll: true });
  tile.scrollIntoView({ block: "nearest", inline: "nearest" });
};

const byId = (id) => grid.querySelector(`.tile[data-cell="${id}"]`);
const step = (direction, id) => {
  const tile = byId(id);
  const next = tile && neighbour(tile, STEPS[`Arrow${direction[0].toUpperCase()}${direction.slice(1)}`]);
  return next ? next.dataset.cell : null;
};
const view = (tile) => open(grid.dataset.evaluation, tile.dataset.cell, step, (id) => byId(id) && focus(byId(id)));

const layers = () => [...document.querySelectorAll("#layers input:checked")].map((box) => box.value);

// Drawing masks means looking at a picture again, so only a few are asked for at once, and only for tiles in sight.
const DRAWN_AT_A_TIME = 3;
const waiting = new Set();
let drawing = 0;

const draw = () => {
  for (const tile of waiting) {
    if (drawing >= DRAWN_AT_A_TIME) return;
    waiting.delete(tile);
    cover(tile);
  }
};

/** Lay the chosen drawings over a tile. */
const cover = (tile) => {
  const chosen = layers();
  const known = tile.querySelector(".over");
  const wanted = chosen.length && tile.querySelector("img") ? `/v1/evaluations/${grid.dataset.evaluation}/cells/${tile.dataset.cell}/overlay?v=${tile.dataset.version}&layers=${chosen.join(",")}&transparent=true` : "";
  if (known?.getAttribute("src") === wanted) return;
  known?.remove();
  if (!wanted) return;
  const over = new Image();
  over.className = "over";
  over.alt = "";
  over.decoding = "async";
  drawing += 1;
  const done = () => {
    drawing -= 1;
    draw();
  };
  over.addEventListener("load", done);
  over.addEventListener("error", () => {
    over.remove();
    done();
  });
  over.src = wanted;
  tile.append(over);
};

let sight = null;
let more = null;

const watch = () => {
  sight?.disconnect();
  more?.disconnect();
  sight = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) waiting[isIntersecting ? "add" : "delete"](target);
    draw();
  }, { root: grid });
  for (const tile of grid.querySelectorAll(".tile")) sight.observe(tile);
  more = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) load(entries[0].target);
  }, { root: grid, rootMargin: "1200px 0px" });
  for (const node of grid.querySelectorAll(".g-more")) more.observe(node);
};

const load = async (node) => {
  more.unobserve(node);
  const response = await fetch(`?${grid.dataset.query}&part=rows&start=${node.dataset.more}`);
  if (!response.ok) return;
  const text = await response.text();
  node.insertAdjacentHTML("afterend", text);
  node.remove();
  watch();
};

const tabbable = () => {
  if (!grid.querySelector('.tile[tabindex="0"]')) grid.querySelector(".g-row:not(.off) .tile")?.setAttribute("tabindex", "0");
};

const mark = async () => {
  // The recommended epoch is starred when the ranking is known; the grid does not wait for it.
  try {
    const { recommendation } = await ask("GET", `/v1/evaluations/${grid.dataset.evaluation}/leaderboard`);
    if (recommendation.run === null) return;
    const head = grid.querySelector(`.g-epoch[data-run="${CSS.escape(recommendation.run)}"][data-epoch="${recommendation.epoch ?? ""}"]`);
    if (!head) return;
    head.classList.add("best");
    head.textContent += " ★";
    head.title = "recommended";
  } catch {
    // Without a ranking there is no star.
  }
};

if (grid) {
  grid.addEventListener("click", (event) => {
    const tile = event.target.closest(".tile");
    if (!tile || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    view(tile);
  });
  grid.addEventListener("keydown", (event) => {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    let next = null;
    if (STEPS[event.key]) next = neighbour(tile, STEPS[event.key]);
    else if (event.key === "Home") next = tiles(tile.closest(".g-row")).find((each) => each);
    else if (event.key === "End") next = tiles(tile.closest(".g-row")).findLast((each) => each);
    else if (event.key === " ") view(tile);
    else return;
    event.preventDefault();
    if (next) focus(next);
  });
  document.getElementById("layers").addEventListener("change", () => {
    waiting.clear();
    for (const over of grid.querySelectorAll(".over")) over.remove();
    watch(); // observing again reports what is in sight
  });
  document.getElementById("sizes").addEventListener("change", (event) => {
    grid.classList.remove("words", "small", "middle", "large");
    grid.classList.add(event.target.value);
    localStorage.setItem("tiles", event.target.value);
  });
  const size = document.querySelector(`#sizes input[value="${localStorage.getItem("tiles") ?? "middle"}"]`);
  if (size && !size.checked) size.click();
  watch();
  tabbable();
  mark();
}

filters.addEventListener("change", (event) => {
  if (event.target.closest("#layers, #sizes")) return;
  const form = new FormData(filters);
  const query = new URLSearchParams();
  for (const [name, value] of form) if (value && name !== "size") query.append(name, value);
  if (event.target.name === "scenario") query.delete("check");
  if (form.getAll("run").length === filters.querySelectorAll('input[name="run"]').length) query.delete("run");
  location.search = query;
});

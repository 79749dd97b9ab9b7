// The strip: choices take effect at once, the left and right keys go through the seeds, a picture opens in the viewer.
import { open } from "./viewer.js";

const filters = document.getElementById("filters");
const evaluation = location.pathname.split("/")[2];
const pieces = [...document.querySelectorAll(".piece")];
const frames = [...new Map(pieces.map((node) => [node.dataset.cell, node])).values()];

filters.addEventListener("change", (event) => {
  const query = new URLSearchParams(new FormData(filters));
  if (event.target.name === "scenario") query.delete("seed");
  location.search = query;
});

const step = (direction, id) => {
  const place = frames.findIndex((node) => node.dataset.cell === String(id));
  const next = { left: place - 1, right: place + 1 }[direction];
  return next === undefined ? null : (frames[next]?.dataset.cell ?? null);
};

document.addEventListener("click", (event) => {
  const piece = event.target.closest(".piece");
  if (!piece || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  open(evaluation, piece.dataset.cell, step, (id) => frames.find((node) => node.dataset.cell === String(id))?.focus());
});

document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, dialog, .strip") || event.altKey || event.ctrlKey || event.metaKey) return;
  const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
  if (rel) document.querySelector(`#filters a[rel="${rel}"]`)?.click();
});

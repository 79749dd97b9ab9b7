// Two checkpoints: a slider on every pair of pictures, further pairs as they are reached.
import { open } from "./viewer.js";

const pairs = document.getElementById("pairs");
const filters = document.getElementById("filters");

filters?.addEventListener("change", () => {
  location.search = new URLSearchParams(new FormData(filters));
});

if (pairs) {
  pairs.addEventListener("input", (event) => event.target.closest(".slider")?.style.setProperty("--split", `${event.target.value}%`));
  pairs.addEventListener("click", (event) => {
    const link = event.target.closest("[data-cell]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const both = [...link.closest(".sides").querySelectorAll("[data-cell]")];
    const step = (direction, id) => {
      const other = both[both.findIndex((node) => node.dataset.cell === String(id)) + ({ left: -1, right: 1 }[direction] ?? 9)];
      return other ? other.dataset.cell : null;
    };
    open(pairs.dataset.evaluation, link.dataset.cell, step, () => link.focus());
  });
  const more = new IntersectionObserver(
    async (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        more.unobserve(target);
        const query = new URL(target.querySelector("a").href).searchParams;
        query.set("part", "pairs");
        const response = await fetch(`?${query}`);
        if (!response.ok) continue;
        target.insertAdjacentHTML("afterend", await response.text());
        target.remove();
        const next = pairs.querySelector(".pairs-more");
        if (next) more.observe(next);
      }
    },
    { rootMargin: "900px 0px" },
  );
  const first = pairs.querySelector(".pairs-more");
  if (first) more.observe(first);
}

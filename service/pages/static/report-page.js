import { drawChart } from "./chart.js";

const printed = document.querySelector(".printed");
printed.addEventListener("click", (event) => {
  const button = event.target.closest(".pick");
  if (button) drawChart(printed, button.dataset.check);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawChart(printed));
addEventListener("load", () => drawChart(printed, ""));

// Prints the report: every table is opened first, so that the paper has all of them.
const print = () => {
  for (const node of document.querySelectorAll(".printed details")) node.open = true;
  window.print();
};
document.getElementById("print").addEventListener("click", print);

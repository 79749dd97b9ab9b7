// Prints the report: every table is opened first, so that the paper has all of them.
const print = () => {
  for (const node of document.querySelectorAll(".printed details")) node.open = true;
  window.print();
};
document.getElementById("print").addEventListener("click", print);

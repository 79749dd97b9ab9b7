// Opens a cell's picture with its findings. Without this script every thumbnail is a plain link to its picture.
(() => {
  "use strict";
  const cells = JSON.parse(document.getElementById("cells").textContent);
  const dialog = document.getElementById("viewer");
  const part = (name) => dialog.querySelector(`[data-part="${name}"]`);
  const thumbs = new Map([...document.querySelectorAll("a.thumb")].map((node) => [Number(node.dataset.cell), node]));
  let current = -1;

  const make = (name, attributes, text) => {
    const svg = name === "svg" || name === "rect";
    const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    return node;
  };

  const badge = (state, symbol, label) => {
    const node = make("span", { class: `badge ${state}` });
    node.append(make("span", { "aria-hidden": "true" }, symbol), ` ${label}`);
    return node;
  };

  const overlay = (cell) => {
    const svg = make("svg", { viewBox: `0 0 ${cell.width} ${cell.height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    for (const [finding, x0, y0, x1, y1] of cell.boxes) {
      const place = { x: x0, y: y0, width: x1 - x0, height: y1 - y0, "data-finding": finding };
      svg.append(make("rect", { ...place, class: "under" }));
      svg.append(make("rect", { ...place, class: cell.findings[finding].verdict }));
    }
    return svg;
  };

  const highlight = (finding) => {
    for (const rect of part("stage").querySelectorAll("rect"))
      rect.classList.toggle("dim", finding !== null && Number(rect.dataset.finding) !== finding);
  };

  const item = (finding, number) => {
    const node = make("li", { tabindex: "0" });
    const head = make("div", { class: "head" });
    head.append(badge(finding.verdict, finding.symbol, finding.label), make("span", {}, finding.title));
    node.append(head);
    if (finding.reason) node.append(make("p", {}, finding.reason));
    node.append(make("p", {}, finding.detector));
    node.addEventListener("mouseenter", () => highlight(number));
    node.addEventListener("focus", () => highlight(number));
    node.addEventListener("mouseleave", () => highlight(null));
    node.addEventListener("blur", () => highlight(null));
    return node;
  };

  // In a page with its pictures inside, a picture lies in its thumbnail alone.
  const address = (index) => {
    const url = cells[index].url;
    return url?.startsWith("picture:") ? document.querySelector(`[data-cell="${index}"] img`)?.src : url;
  };

  const show = (index) => {
    const cell = cells[index];
    const url = address(index);
    current = index;
    part("title").textContent = cell.title;
    part("place").textContent = cell.place;
    part("verdict").replaceChildren(badge(cell.state, cell.symbol, cell.label));
    const stage = [];
    if (url) stage.push(make("img", { src: url, alt: cell.alt, width: cell.width, height: cell.height }));
    else stage.push(make("p", { class: "soft" }, "There is no picture."));
    part("stage").replaceChildren(...stage, overlay(cell));
    const worstFirst = ["fails", "not_measurable", "minor", "holds"];
    const rows = cell.findings
      .map((finding, number) => ({ rank: worstFirst.indexOf(finding.verdict), node: item(finding, number) }))
      .sort((one, two) => one.rank - two.rank)
      .map((row) => row.node);
    if (cell.invalid) rows.unshift(make("li", {}, cell.invalid));
    if (!rows.length) rows.push(make("li", {}, "No detector has looked at this picture."));
    part("findings").replaceChildren(...rows);
    part("open").hidden = !url || url.startsWith("data:"); // browsers open no such address in a window of its own
    if (url) part("open").href = url;
    for (const button of dialog.querySelectorAll("[data-go]")) button.disabled = cell[button.dataset.go] === null;
    if (!dialog.open) dialog.showModal();
  };

  const go = (direction) => {
    const next = cells[current][direction];
    if (next !== null) show(next);
  };

  for (const [index, node] of thumbs)
    node.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
      event.preventDefault();
      show(index);
    });
  for (const node of document.querySelectorAll("a.keeper"))
    node.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
      event.preventDefault();
      show(Number(node.dataset.keeper));
    });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest(".close")) dialog.close();
    const button = event.target.closest("[data-go]");
    if (button) go(button.dataset.go);
  });
  dialog.addEventListener("keydown", (event) => {
    const direction = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" }[event.key];
    if (direction) { event.preventDefault(); go(direction); }
  });
  dialog.addEventListener("close", () => thumbs.get(current)?.focus());
  const asked = /^#cell-(\d+)$/.exec(location.hash);
  if (asked && cells[Number(asked[1])]) show(Number(asked[1]));
})();

// Failure rate over epochs, with interval bands: plotly from the installed package, in the page's own colours.
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
const MARKS = ["circle", "square", "diamond", "triangle-up", "cross", "x"];
let shown = "";

const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const veil = (colour, share) => {
  const [red, green, blue] = [1, 3, 5].map((start) => Number.parseInt(colour.slice(start, start + 2), 16));
  return `rgba(${red},${green},${blue},${share})`;
};
const percent = (rate) => `${Math.round(100 * rate)}%`;

const lines = (run, place, check) => {
  const colour = tone(`--run${place % 6}`);
  const points = run.points.filter((point) => point.rates[check]);
  const epochs = points.map((point) => point.epoch);
  const rates = points.map((point) => point.rates[check]);
  const told = points.map((point, index) => {
    const [rate, low, high, fails, judged] = rates[index];
    return `<b>${run.name} epoch ${point.epoch}</b><br>${percent(rate)} fail, ${fails} of ${judged}<br>95% interval ${percent(low)} to ${percent(high)}`;
  });
  const ring = points.map((point) => (point.chosen ? 3 : 0));
  return [
    {
      x: [...epochs, ...[...epochs].reverse()],
      y: [...rates.map((rate) => rate[2]), ...rates.map((rate) => rate[1]).reverse()],
      fill: "toself",
      fillcolor: veil(colour, 0.13),
      line: { width: 0 },
      mode: "lines",
      hoverinfo: "skip",
      showlegend: false,
      legendgroup: run.name,
    },
    {
      x: epochs,
      y: rates.map((rate) => rate[0]),
      error_y: { type: "data", symmetric: false, array: rates.map((rate) => rate[2] - rate[0]), arrayminus: rates.map((rate) => rate[0] - rate[1]), thickness: 1, width: 0, color: veil(colour, 0.55) },
      mode: "lines+markers",
      name: run.name,
      legendgroup: run.name,
      line: { color: colour, width: 2.25, dash: DASHES[place % 6] },
      marker: { color: colour, size: points.map((point) => (point.chosen ? 13 : 9)), symbol: MARKS[place % 6], line: { color: tone("--ink"), width: ring } },
      text: told,
      hovertemplate: "%{text}<extra></extra>",
    },
  ];
};

const layout = (data, check) => {
  const epochs = [...new Set(data.runs.flatMap((run) => run.points.map((point) => point.epoch)))];
  const rates = data.control[check];
  const line = { color: tone("--line") };
  const shapes = rates ? [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: rates[0], y1: rates[0], line: { color: tone("--soft"), width: 1.5, dash: "dot" } }] : [];
  const notes = rates ? [{ xref: "paper", x: 1, y: rates[0], text: "no LoRA", showarrow: false, xanchor: "right", yanchor: "bottom", font: { color: tone("--soft") } }] : [];
  for (const onset of (data.onsets ?? []).filter((each) => each.check === check)) {
    shapes.push({ type: "line", yref: "paper", x0: onset.epoch, x1: onset.epoch, y0: 0, y1: 1, line: { color: tone("--fails"), width: 1.25, dash: "dash" } });
    notes.push({ x: onset.epoch, yref: "paper", y: 1, text: `${onset.run}: sets in`, showarrow: false, xanchor: "left", yanchor: "top", font: { color: tone("--fails"), size: 12 } });
  }
  return {
    margin: { l: 52, r: 14, t: 10, b: 74 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 13, color: tone("--soft") },
    xaxis: { title: { text: "epoch", standoff: 8 }, gridcolor: line.color, zeroline: false, fixedrange: true, ...(epochs.length <= 10 ? { tickvals: epochs } : { nticks: innerWidth < 600 ? 6 : 14 }) },
    yaxis: { range: [-0.02, 1.02], tickformat: ".0%", gridcolor: line.color, zeroline: false, fixedrange: true },
    legend: { orientation: "h", y: -0.22, x: 0, font: { color: tone("--ink") } },
    hoverlabel: { bgcolor: tone("--surface"), bordercolor: tone("--line"), font: { color: tone("--ink") }, align: "left" },
    hovermode: "closest",
    shapes,
    annotations: notes,
  };
};

/** Draw the chart inside `root`, for one check or, with "", for whole images. */
export const drawChart = (root, check = shown) => {
  const data = root.querySelector("#chart-data");
  const plot = root.querySelector("#plot");
  if (!data || !plot || !window.Plotly) return;
  shown = check;
  for (const button of root.querySelectorAll(".pick")) button.setAttribute("aria-pressed", String(button.dataset.check === check));
  const chart = JSON.parse(data.textContent);
  const traces = chart.runs.flatMap((run, place) => lines(run, place, check));
  window.Plotly.react(plot, traces, layout(chart, check), { displayModeBar: false, responsive: true });
};

// What every page's script needs: asking the API, making elements, and showing times in the reader's own zone.

/** Make an element with attributes and children (text or nodes). */
export const make = (name, attributes = {}, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};

/** What went wrong, in the API's own words. */
export const explain = (text, status) => {
  try {
    const problem = JSON.parse(text);
    if (problem.detail) return problem.detail;
  } catch {
    // No problem document: a proxy in between, or a connection that broke.
  }
  return status ? `The server answered ${status}.` : "The server cannot be reached. Is it still running?";
};

/** Ask the API; a refusal is thrown as an Error whose message says what to do. */
export const ask = async (method, address, body) => {
  const options = { method, headers: { accept: "application/json" } };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["content-type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Error(explain("", 0));
  }
  const text = await response.text();
  if (!response.ok) throw new Error(explain(text, response.status));
  return text ? JSON.parse(text) : null;
};

/** Seconds for people: "3 min", "2 h 5 min". */
export const duration = (seconds) => {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};

/** Bytes for people. */
export const bytes = (size) => {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let place = 0;
  let left = size;
  while (left >= 1000 && place < units.length - 1) {
    left /= 1000;
    place += 1;
  }
  return `${place ? left.toFixed(1) : left} ${units[place]}`;
};

/** A count with its thousands apart. */
export const count = (number) => String(number).replace(/\B(?=(\d{3})+(?!\d))/g, "\u00a0");

export const localTimes = (root = document) => {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const node of root.querySelectorAll("time[data-when]")) {
    const moment = new Date(Number(node.dataset.when) * 1000);
    node.dateTime = moment.toISOString();
    node.textContent = format.format(moment);
  }
};

localTimes();

// What is folded away on a phone is open where there is room, and without scripts.
if (matchMedia("(max-width: 760px)").matches) for (const fold of document.querySelectorAll(".fold")) fold.open = false;
document.documentElement.classList.add("folded");

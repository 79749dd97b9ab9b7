// Hands in many checkpoints: two at a time, each with its own progress, and says of each what it is or why it is refused.
import { bytes, explain, make } from "./common.js";

const AT_A_TIME = 2;
const LOOK_BYTES = 64;
const MOST_HEADER_BYTES = 1n << 24n;
const drop = document.getElementById("drop");
const list = document.getElementById("uploads");
const status = document.getElementById("upload-status");
const done = document.getElementById("upload-done");
const next = document.getElementById("upload-next");
const limit = Number(drop.dataset.limit);
const waiting = [];
const runs = new Set();
const counts = { sent: 0, kept: 0, refused: 0 };
let busy = 0;

const facts = (checkpoint) =>
  [
    checkpoint.epoch === null ? "epoch unknown: say it above and drop the file again" : `epoch ${checkpoint.epoch}`,
    checkpoint.rank === null ? null : `rank ${checkpoint.rank}`,
    checkpoint.algorithms.join(" + "),
    `${checkpoint.key_format} keys`,
    checkpoint.trainer === "unknown" ? null : checkpoint.trainer,
  ]
    .filter((fact) => fact)
    .join(", ");

const row = (file) => {
  const bar = make("progress", { max: 100, value: 0, "aria-label": `${file.name} sent` });
  const words = make("p", { class: "small soft" }, "waiting");
  const node = make("li", {}, make("p", { class: "name" }, make("b", {}, file.name), make("span", { class: "small soft" }, ` ${bytes(file.size)}`)), bar, words);
  list.append(node);
  return { node, bar, words };
};

const settle = (entry, kind, text) => {
  entry.row.bar.remove();
  entry.row.node.className = kind;
  entry.row.words.className = "small";
  entry.row.words.textContent = text;
  counts[kind] += 1;
  const open = counts.sent - counts.kept - counts.refused;
  status.textContent = `${counts.kept} kept, ${counts.refused} refused${open ? `, ${open} to go` : ""}`;
  if (counts.kept) {
    done.hidden = open > 0;
    next.href = `/evaluations/new?${[...runs].map((run) => `run=${encodeURIComponent(run)}`).join("&")}`;
  }
};

// One request. fetch cannot tell how much of a body has gone out.
const transfer = (method, address, type, body, onProgress) =>
  new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open(method, address);
    request.setRequestHeader("content-type", type);
    if (onProgress) request.upload.addEventListener("progress", onProgress);
    request.addEventListener("loadend", () => resolve({ good: request.status === 200 || request.status === 201, status: request.status, text: request.responseText }));
    request.send(body);
  });

// Bytes of the file's header, as its first eight say; of a file that is none, enough to see that.
const headerSize = async (file) => {
  const start = new DataView(await file.slice(0, 8).arrayBuffer());
  const length = start.byteLength === 8 ? start.getBigUint64(0, true) : 0n;
  return Math.min(file.size, length < MOST_HEADER_BYTES ? 8 + Number(length) : LOOK_BYTES);
};

// The header goes first: a browser hears no answer before all of a body has gone out, and a wrong file may be large.
const send = async (entry) => {
  const { file, run } = entry;
  const wanted = { filename: file.name, size: file.size };
  if (entry.epoch !== "" && entry.known === null) wanted.epoch = Number(entry.epoch);
  const uploads = `/v1/runs/${encodeURIComponent(run)}/uploads`;
  let answer = await transfer("POST", uploads, "application/json", JSON.stringify(wanted));
  if (answer.good) {
    const address = `${uploads}/${JSON.parse(answer.text).id}`;
    const piece = (from, to) =>
      transfer("PATCH", `${address}?offset=${from}`, "application/octet-stream", file.slice(from, to), (event) => {
        const gone = Math.min(file.size, from + event.loaded);
        entry.row.bar.value = (100 * gone) / file.size;
        entry.row.words.textContent = gone === file.size ? "being checked" : `${bytes(gone)} of ${bytes(file.size)} sent to run ${run}`;
      });
    const begin = await headerSize(file);
    answer = await piece(0, begin);
    if (answer.good && begin < file.size) answer = await piece(begin, file.size);
    if (!answer.good && answer.status !== 422) transfer("DELETE", address, "application/json"); // a refused one is gone
  }
  if (answer.good) {
    const { checkpoint } = JSON.parse(answer.text);
    runs.add(checkpoint.run);
    settle(entry, "kept", `Run ${checkpoint.run}: ${facts(checkpoint)}`);
  } else settle(entry, "refused", explain(answer.text, answer.status));
};

const work = async () => {
  if (busy >= AT_A_TIME || !waiting.length) return;
  busy += 1;
  const entry = waiting.shift();
  if (!entry.file.name.endsWith(".safetensors")) settle(entry, "refused", "Only .safetensors files are taken: others can run code when they are opened.");
  else if (entry.file.size > limit) settle(entry, "refused", `It is larger than the ${bytes(limit)} that this server takes.`);
  else if (!entry.run) settle(entry, "refused", "Its name does not tell the run: write one above and drop it again.");
  else await send(entry);
  busy -= 1;
  work();
};

const guesses = async (files) => {
  const found = [];
  for (let start = 0; start < files.length; start += 20) {
    const query = new URLSearchParams(files.slice(start, start + 20).map((file) => ["file", file.name.slice(0, 200)]));
    try {
      const response = await fetch(`/names?${query}`);
      found.push(...(await response.json()));
    } catch {
      found.push(...files.slice(start, start + 20).map(() => ({ run: "", epoch: null })));
    }
  }
  return found;
};

const take = async (dropped) => {
  const files = [...dropped].filter((file) => file.size || file.type);
  if (!files.length) return;
  const wanted = document.getElementById("run").value.trim();
  const epoch = document.getElementById("final-epoch").value;
  counts.sent += files.length;
  done.hidden = true;
  const names = await guesses(files);
  files.forEach((file, place) => {
    waiting.push({ file, row: row(file), run: wanted || names[place]?.run || "", known: names[place]?.epoch ?? null, epoch });
  });
  for (let place = 0; place < AT_A_TIME; place += 1) work();
};

document.getElementById("files").addEventListener("change", (event) => {
  take(event.target.files);
  event.target.value = "";
});
document.getElementById("upload").addEventListener("submit", (event) => event.preventDefault());
for (const kind of ["dragenter", "dragover"])
  drop.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, (event) => (event.type === "drop" || !drop.contains(event.relatedTarget)) && drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  take(event.dataTransfer.files);
});
// A file that misses the field must not replace the page.
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
addEventListener("beforeunload", (event) => {
  if (busy) event.preventDefault();
});

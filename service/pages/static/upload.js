// Hands in many checkpoints: two at a time, each with its own progress, and says of each what it is or why it is refused.
import { bytes, explain, make } from "./common.js";

const AT_A_TIME = 2;
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

const send = (entry) =>
  new Promise((resolve) => {
    const query = new URLSearchParams({ filename: entry.file.name });
    if (entry.epoch !== "" && entry.known === null) query.set("epoch", entry.epoch);
    const request = new XMLHttpRequest(); // fetch cannot tell how much of a body has gone out
    request.open("POST", `/v1/runs/${encodeURIComponent(entry.run)}/checkpoints?${query}`);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => {
      entry.row.bar.value = event.lengthComputable ? (100 * event.loaded) / event.total : 0;
      entry.row.words.textContent = event.loaded === event.total ? "being checked" : `${bytes(event.loaded)} of ${bytes(event.total)} sent to run ${entry.run}`;
    });
    const over = () => {
      if (request.status === 201 || request.status === 200) {
        const checkpoint = JSON.parse(request.responseText);
        runs.add(checkpoint.run);
        settle(entry, "kept", `Run ${checkpoint.run}: ${facts(checkpoint)}`);
      } else settle(entry, "refused", explain(request.responseText, request.status));
      resolve();
    };
    request.addEventListener("loadend", over);
    request.send(entry.file);
  });

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

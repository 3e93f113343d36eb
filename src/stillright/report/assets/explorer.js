// Ties it together: the form, the address, the list and the sample that is read.

const QUADRANTS = [
  ...["lost", "gained", "still_wrong", "still_wrong_changed", "still_wrong_same", "unchanged", "kept"],
  ...["restored", "newly_lost", "reliably_lost", "reliably_gained", "undecided"],
];
const WAIT = 150; // milliseconds after the last key: browsers refuse to change the address for every step of a held one
const at = (id) => document.getElementById(id);

// Does something after a while, unless the same is asked for again before.
const waiting = new Map();
function later(what, milliseconds, action) {
  clearTimeout(waiting.get(what));
  waiting.set(what, setTimeout(action, milliseconds));
}

function start(samples) {
  let wanted = wantedFromAddress(samples);
  let found = [];
  const list = new List(at("list"), at("sizer"), (row) => rowOf(samples, wanted.model, found[row]), read);

  function read(row) {
    const i = row < 0 ? null : found[row];
    wanted.id = i === null ? wanted.id : samples.columns.id[i];
    at("sample").replaceChildren(i === null ? "No sample fits." : sampleView(samples, i, wanted.model));
    later("address", WAIT, () => history.replaceState(null, "", addressOf(wanted)));
  }

  function search() {
    at("problem").hidden = true;
    try {
      found = matching(samples, wanted);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      found = [];
      at("problem").textContent = error.message;
      at("problem").hidden = false;
    }
    at("count").textContent = found.length.toLocaleString("en") + " of " + samples.n.toLocaleString("en") + " samples";
    at("export").disabled = !found.length;
    list.fill(found.length, found.findIndex((i) => samples.columns.id[i] === wanted.id));
  }

  function show() {
    fillForm(samples, wanted);
    search();
  }

  at("filters").addEventListener("input", (event) => {
    const { model, id } = wanted;
    wanted = { ...wantedFromForm(), id };
    if (wanted.model !== model) {
      fillForm(samples, wanted);
      wanted = { ...wantedFromForm(), id }; // without quadrants that the model has not
    }
    later("search", event.target.id === "query" ? WAIT : 0, search);
  });
  at("filters").addEventListener("submit", (event) => event.preventDefault());
  at("export").addEventListener("click", () => download(samples, found));
  addEventListener("hashchange", () => {
    wanted = wantedFromAddress(samples);
    show();
  });
  at("explorer").hidden = false;
  show();
}

function rowOf(samples, model, i) {
  const row = element("div", "row");
  const [first, second] = [element("div"), element("div", "excerpt")];
  for (const quadrant of quadrantsOf(samples, model, i)) {
    first.append(element("span", "quadrant " + quadrant, spelled(quadrant)), " ");
  }
  first.append(visible(samples.columns.id[i]));
  const text = textOf(samples, model, i) ?? valueOf(samples, "prompt", i) ?? "";
  second.textContent = visible(text.slice(0, 200).replace(/\s+/g, " "));
  row.append(first, second);
  return row;
}

function fillForm(samples, wanted) {
  choices(at("model"), samples.models.slice(1), wanted.model);
  const numbers = samples.numbers.map((name) => [name, spelled(name)]);
  const loss = samples.ofScores ? [["loss", "loss"]] : [];
  choices(at("sort"), [["", "order of the file"], ...loss, ["id", "id"], ...numbers], wanted.sort);
  at("further").replaceChildren(...furtherColumns(samples).map((name) => furtherChoice(samples, name, wanted)).filter(Boolean));
  at("query").value = wanted.query;
  at("regex").checked = wanted.regex;
  at("quadrants").replaceChildren(at("quadrants").firstElementChild, ...quadrantBoxes(samples, wanted));
}

function choices(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => new Option(visible(text), value, false, value === chosen)));
}

function furtherChoice(samples, name, wanted) {
  const values = [...new Set(samples.columns[name])].filter((value) => value !== null).sort();
  if (values.length < 2) return null;
  const label = element("label", "", name.replace(/^slice_/, "") + " ");
  const select = element("select");
  select.dataset.column = name;
  choices(select, [["", "all"], ...values.map((value) => [value, value])], wanted.further[name] ?? "");
  label.append(select);
  return label;
}

function quadrantBoxes(samples, wanted) {
  const counts = new Map();
  for (let i = 0; i < samples.n; i++) {
    for (const name of quadrantsOf(samples, wanted.model, i)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return QUADRANTS.filter((name) => counts.has(name)).map((name) => {
    const label = element("label");
    const box = element("input");
    Object.assign(box, { type: "checkbox", value: name, checked: wanted.quadrants.includes(name) });
    label.append(box, spelled(name) + " (" + counts.get(name).toLocaleString("en") + ")");
    return label;
  });
}

function wantedFromForm() {
  const further = {};
  for (const select of at("further").querySelectorAll("select")) {
    if (select.value) further[select.dataset.column] = select.value;
  }
  const quadrants = [...at("quadrants").querySelectorAll("input:checked")].map((box) => box.value);
  const [model, sort, query] = ["model", "sort", "query"].map((name) => at(name).value);
  return { model, sort, query, quadrants, further, regex: at("regex").checked };
}

// The samples as --flips FILE.jsonl has them, but for columns that are empty here.
function download(samples, found) {
  const names = Object.keys(samples.columns);
  const lines = found.map((i) => JSON.stringify(Object.fromEntries(names.map((name) => [name, samples.columns[name][i]]))) + "\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
  link.download = "flips.jsonl";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

at("loading").hidden = false;
readSamples()
  .then(start)
  .catch((error) => {
    at("explorer").hidden = true;
    at("problem").textContent = "";
    at("loading").after(element("p", "", "The samples cannot be shown here: " + error.message));
  })
  .finally(() => (at("loading").hidden = true));

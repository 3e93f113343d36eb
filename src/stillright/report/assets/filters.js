// What is looked for: a plain object, which the form and the page's address both say.

const CHOSEN = ["model", "sort", "query", "id"]; // texts by these names; further columns by their own

// The columns of few values to choose from: the task and what is sliced by.
function furtherColumns(samples) {
  return Object.keys(samples.columns).filter((name) => name === "task" || name.startsWith("slice_"));
}

function wantedAtFirst(samples) {
  const lost = samples.columns.new_quadrant?.includes("lost");
  return { model: "new", quadrants: lost ? ["lost"] : [], further: {}, query: "", regex: false, sort: "", id: "" };
}

function wantedFromAddress(samples) {
  const wanted = wantedAtFirst(samples);
  const given = new URLSearchParams(location.hash.slice(1));
  if (![...given.keys()].length) return wanted;
  for (const name of CHOSEN) wanted[name] = given.get(name) ?? (name === "model" ? "new" : "");
  if (!samples.models.slice(1).some(([place]) => place === wanted.model)) wanted.model = "new";
  wanted.quadrants = (given.get("quadrants") ?? "").split(",").filter(Boolean);
  wanted.regex = given.get("regex") === "1";
  for (const column of furtherColumns(samples)) {
    if (given.has(column)) wanted.further[column] = given.get(column);
  }
  return wanted;
}

function addressOf(wanted) {
  const said = new URLSearchParams();
  for (const name of CHOSEN) if (wanted[name]) said.set(name, wanted[name]);
  if (wanted.quadrants.length) said.set("quadrants", wanted.quadrants.join(","));
  if (wanted.regex) said.set("regex", "1");
  for (const [column, value] of Object.entries(wanted.further)) said.set(column, value);
  return "#" + said;
}

// The numbers of the samples that are looked for, in the order asked for. Throws SyntaxError for a wrong expression.
function matching(samples, wanted) {
  const found = [];
  const fits = textFilter(samples, wanted);
  const further = Object.entries(wanted.further);
  for (let i = 0; i < samples.n; i++) {
    const quadrants = quadrantsOf(samples, wanted.model, i);
    if (wanted.quadrants.length && !wanted.quadrants.some((name) => quadrants.includes(name))) continue;
    if (further.every(([column, value]) => samples.columns[column][i] === value) && fits(i)) found.push(i);
  }
  return sorted(samples, wanted, found);
}

function textFilter(samples, wanted) {
  if (!wanted.query) return () => true;
  const texts = Object.values(samples.columns).map(textsIn).filter(Boolean);
  const lower = wanted.query.toLowerCase();
  const expression = wanted.regex ? new RegExp(wanted.query, "iu") : null;
  const holds = expression ? (text) => expression.test(text) : (text) => text.toLowerCase().includes(lower);
  return (i) => texts.some((values) => values[i] !== null && holds(values[i]));
}

// A column of texts, or of lists of texts, as one text each; null for one of anything else.
function textsIn(values) {
  const known = values.find((value) => value !== null && value.length !== 0);
  if (Array.isArray(known)) return typeof known[0] === "string" ? values.map((value) => value?.join("\n") ?? null) : null;
  return typeof known === "string" ? values : null;
}

// By "loss", "id" or a column of numbers, the largest first; else as they stand in the file.
function sorted(samples, wanted, found) {
  const { sort, model } = wanted;
  if (sort === "id") {
    const order = new Intl.Collator(undefined, { numeric: true });
    return found.sort((a, b) => order.compare(samples.columns.id[a], samples.columns.id[b]));
  }
  const keyOf = sort === "loss" ? (i) => lossOf(samples, model, i) : (i) => valueOf(samples, sort, i) ?? -Infinity;
  return sort ? found.sort((a, b) => keyOf(b) - keyOf(a) || a - b) : found;
}

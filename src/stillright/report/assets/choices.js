// What there was to choose from: for each choice its log-likelihood in every model, and in words which choices are right
// and which a model chose. Numbers of choices count from 0, as predictions and right answers name them.

// Nothing where the choices are unknown.
function choicesView(samples, i) {
  const texts = valueOf(samples, "choice_texts", i) ?? [];
  const found = samples.models.map(([place]) => valueOf(samples, place + "_loglikelihoods", i) ?? []);
  const most = Math.max(texts.length, ...found.map((values) => values.length));
  if (!most) return [];
  const box = element("div", "wide choices");
  const table = element("table");
  table.append(headOfChoices(samples), element("tbody"));
  for (let number = 0; number < most; number++) {
    const logs = found.map((values) => values[number] ?? null);
    table.lastChild.append(rowOfChoice(samples, i, number, texts[number] ?? String(number), logs));
  }
  box.append(table);
  const known = found.some((values) => values.length);
  const note = known ? [element("p", "small", "log-likelihoods after the prompt, summed over tokens")] : [];
  return [element("h4", "", "choices"), ...note, box];
}

function headOfChoices(samples) {
  const head = element("thead");
  const row = element("tr");
  row.append(element("th", "", "choice"), ...samples.models.map(([, name]) => element("th", "", name)));
  head.append(row);
  return head;
}

function rowOfChoice(samples, i, number, text, logs) {
  const row = element("tr");
  const first = element("th");
  Object.assign(first, { scope: "row", dir: "auto" });
  first.append(text.length > FOLDED ? folded([[text, false]], "") : visible(text));
  if (valueOf(samples, "reference", i)?.includes(String(number))) first.append(" ", element("strong", "", "right"));
  const cells = samples.models.map(([place], model) => {
    const cell = element("td", "", logs[model] === null ? "" : shownNumber(logs[model]));
    const isChosen = valueOf(samples, place + "_prediction", i) === String(number);
    if (isChosen) cell.append(" ", element("strong", "", "chosen"));
    return cell;
  });
  row.append(first, ...cells);
  return row;
}

// One sample in full: prompt, right answers, every model's answer beside old's, and the choices there were.

const FOLDED = 700; // characters, or
const FOLDED_LINES = 8; // of longer texts the beginning is shown until a reader asks for the rest

function sampleView(samples, i, model) {
  const view = document.createDocumentFragment();
  view.append(element("h3", "", valueOf(samples, "id", i)), element("p", "note", aboutSample(samples, i)));
  const prompt = valueOf(samples, "prompt", i);
  if (prompt !== null) view.append(element("h4", "", "prompt"), folded([[prompt, false]], ""));
  const reference = valueOf(samples, "reference", i);
  if (reference !== null) view.append(element("h4", "", "reference"), folded([[reference.join("\n"), false]], ""));
  view.append(sides(samples, i, model));
  view.append(...choicesView(samples, i));
  return view;
}

function aboutSample(samples, i) {
  const known = furtherColumns(samples).map((name) => [name.replace(/^slice_/, ""), valueOf(samples, name, i)]);
  return known.filter(([, value]) => value !== null).map(([name, value]) => name + ": " + value).join(" · ");
}

// Old, new and candidates; old's words are marked where `model` lacks them, the others' where old does.
function sides(samples, i, model) {
  const grid = element("div", "sides");
  const old = textOf(samples, "old", i);
  for (const [place, name] of samples.models) {
    const text = textOf(samples, place, i);
    const other = place === "old" ? textOf(samples, model, i) : old;
    let parts = text === null ? [] : [[text, false]];
    if (text !== null && other !== null) parts = differingParts(text, other)[0];
    const side = element("div");
    side.append(element("h4", "", name), element("p", "small", aboutAnswer(samples, place, i)));
    side.append(text === null ? element("p", "small", "no text") : folded(parts, place === "old" ? "del" : "ins"));
    grid.append(side);
  }
  return grid;
}

function aboutAnswer(samples, place, i) {
  const said = quadrantsOf(samples, place, i).map(spelled);
  if (place === "old" && !samples.ofScores) {
    said.push(["kept", "lost"].includes(valueOf(samples, "new_quadrant", i)) ? "right" : "wrong");
  }
  const prediction = valueOf(samples, place + "_prediction", i);
  if (prediction !== null && valueOf(samples, place + "_output", i) !== null) said.push("answer: " + prediction);
  for (const column of samples.numbers) {
    const value = column.startsWith(place + "_") ? valueOf(samples, column, i) : null;
    if (value !== null) said.push(spelled(column.slice(place.length + 1)) + ": " + shownNumber(value));
  }
  return said.join(" · ");
}

// A text with its white space, its parts that differ in the tag `tag`; a long one has a button that unfolds it.
function folded(parts, tag) {
  const box = element("div");
  const text = element("div", "text");
  text.dir = "auto";
  for (const [part, differs] of parts) {
    const words = differs && tag ? part.trimEnd() : "";
    if (words) text.append(element(tag, "", words));
    text.append(visible(part.slice(words.length)));
  }
  box.append(text);
  const whole = parts.map(([part]) => part).join("");
  if (whole.length > FOLDED || whole.split("\n").length > FOLDED_LINES) {
    text.classList.add("cut");
    const button = element("button", "", "Show all " + whole.length.toLocaleString("en") + " characters");
    button.type = "button";
    button.addEventListener("click", () => {
      text.classList.remove("cut");
      button.remove();
    });
    box.append(button);
  }
  return box;
}

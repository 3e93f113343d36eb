// Which words of two texts differ: the longest common subsequence of words, each with the space after it.

const WORD = /^\s+|(?:\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|[\p{L}\p{M}\p{N}_']+|\S)\s*/gu;
const MOST_PAIRS = 4e6; // of words between the first and the last that differ; beyond it all of them are marked

// [[text, differs], ...] of each text; joined, the parts are the text.
function differingParts(first, second) {
  const a = first.match(WORD) ?? [];
  const b = second.match(WORD) ?? [];
  const same = (i, j) => a[i].trimEnd() === b[j].trimEnd();
  let start = 0;
  while (start < Math.min(a.length, b.length) && same(start, start)) start++;
  let [endOfA, endOfB] = [a.length, b.length];
  while (endOfA > start && endOfB > start && same(endOfA - 1, endOfB - 1)) [endOfA, endOfB] = [endOfA - 1, endOfB - 1];
  const [inA, inB] = commonWords(start, endOfA, endOfB, same);
  return [marked(a, start, endOfA, inA), marked(b, start, endOfB, inB)];
}

// For both, which words between start and end are common.
function commonWords(start, endOfA, endOfB, same) {
  const [rows, columns] = [endOfA - start, endOfB - start];
  const [inA, inB] = [new Set(), new Set()];
  if (rows * columns > MOST_PAIRS) return [inA, inB];
  const width = columns + 1;
  const lengths = new Uint16Array((rows + 1) * width); // of the longest common subsequence from (i, j) on
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      const both = same(start + i, start + j);
      lengths[i * width + j] = both
        ? lengths[(i + 1) * width + j + 1] + 1
        : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  for (let i = 0, j = 0; i < rows && j < columns; ) {
    if (same(start + i, start + j)) {
      inA.add(start + i++);
      inB.add(start + j++);
    } else if (lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) i++;
    else j++;
  }
  return [inA, inB];
}

function marked(words, start, end, common) {
  const parts = [];
  words.forEach((word, i) => {
    const differs = i >= start && i < end && !common.has(i);
    const last = parts.at(-1);
    if (last && last[1] === differs) last[0] += word;
    else parts.push([word, differs]);
  });
  return parts;
}

"use strict";
// The samples of the page: columns as docs/flips.md names them, decoded from the page itself.

const ANSWER = ["prediction", "output", "score"]; // of each model, after its place: old_output
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

// models: [[place, name], ...]; columns: {name: values}; numbers: names of numeric columns; n: how many samples
async function readSamples() {
  const stream = new Blob([bytesOf(document.getElementById("data").textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const samples = JSON.parse(await new Response(stream).text());
  samples.n = samples.columns.id ? samples.columns.id.length : 0;
  return samples;
}

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const characters = atob(base64);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < characters.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

// A value of a sample; null where it is unknown, also where no sample has such a value.
function valueOf(samples, column, i) {
  const values = samples.columns[column];
  return values === undefined ? null : values[i];
}

function textOf(samples, place, i) {
  return valueOf(samples, place + "_output", i) ?? valueOf(samples, place + "_prediction", i);
}

// The quadrant of a sample in one model, and what a candidate changes against new.
function quadrantsOf(samples, place, i) {
  const found = [valueOf(samples, place + "_quadrant", i), valueOf(samples, place + "_against_new", i)];
  return found.filter((quadrant) => quadrant !== null);
}

// How much worse the score of a model is than old's.
function lossOf(samples, place, i) {
  const loss = valueOf(samples, "old_score", i) - valueOf(samples, place + "_score", i);
  return samples.lostIsLower ? loss : -loss;
}

// Text that can be read: characters that are invisible, or turn others round, are shown as such.
function visible(text) {
  return text.replace(UNSEEN, "\ufffd");
}

function shownNumber(value) {
  return value === null ? "" : String(Number(value.toPrecision(6)));
}

function spelled(name) {
  return name.replaceAll("_", " ");
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = visible(text);
  return made;
}

// A list that draws only the rows in sight, so that its length costs nothing.

const ROW = 52; // pixels, as in page.css
const BEYOND = 8; // rows drawn above and below those in sight

// makeRow(i): an element for the i-th row; chosen(i): called when a row is chosen.
class List {
  constructor(box, sizer, makeRow, chosen) {
    Object.assign(this, { box, sizer, makeRow, chosen, length: 0, at: -1, drawn: new Map() });
    box.addEventListener("scroll", () => this.draw(), { passive: true });
    box.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row) this.choose(Number(row.dataset.at));
    });
    box.addEventListener("keydown", (event) => this.pressed(event));
    new ResizeObserver(() => this.draw()).observe(box);
  }

  // Shows another number of rows, and the chosen one.
  fill(length, at) {
    this.length = length;
    this.sizer.style.height = length * ROW + "px";
    this.drawn.clear();
    this.sizer.replaceChildren();
    this.choose(length ? Math.min(Math.max(at, 0), length - 1) : -1);
  }

  choose(at) {
    this.drawn.get(this.at)?.setAttribute("aria-selected", "false");
    this.at = at;
    if (at >= 0) this.reveal();
    this.draw();
    this.drawn.get(at)?.setAttribute("aria-selected", "true");
    if (at >= 0) this.box.setAttribute("aria-activedescendant", "row-" + at);
    else this.box.removeAttribute("aria-activedescendant");
    this.chosen(at);
  }

  reveal() {
    const [top, height] = [this.at * ROW, this.box.clientHeight];
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + ROW > this.box.scrollTop + height) this.box.scrollTop = top + ROW - height;
  }

  pressed(event) {
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (!(event.key in steps) || !this.length) return;
    event.preventDefault();
    this.choose(Math.min(Math.max(this.at + steps[event.key], 0), this.length - 1));
  }

  draw() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - BEYOND);
    const last = Math.min(this.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW) + BEYOND);
    for (const [at, row] of this.drawn) {
      if (at < first || at >= last) {
        row.remove();
        this.drawn.delete(at);
      }
    }
    for (let at = first; at < last; at++) {
      if (!this.drawn.has(at)) this.add(at);
    }
  }

  add(at) {
    const row = this.makeRow(at);
    row.id = "row-" + at;
    row.dataset.at = at;
    row.style.top = at * ROW + "px";
    const attributes = { role: "option", "aria-selected": at === this.at, "aria-posinset": at + 1 };
    for (const [name, value] of Object.entries({ ...attributes, "aria-setsize": this.length })) {
      row.setAttribute(name, value);
    }
    this.sizer.append(row);
    this.drawn.set(at, row);
  }
}

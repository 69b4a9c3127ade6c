// A long list of rows of one height, of which only the visible ones are in the page.

import { element } from "./elements.js";

// How many rows above and below the visible ones are drawn as well.
const MARGIN = 8;

export class List {
  // `draw(at)` makes a row; `onactive(at)` is told which row was chosen; `onkey(event, at)` gets the
  // keys that the list does not know, and returns true if it does.
  constructor({ container, role, label, height, head, draw, onactive, onkey, ondrawn }) {
    Object.assign(this, { height, draw, onactive, onkey, ondrawn });
    this.prefix = container.id;
    this.length = 0;
    this.active = -1;
    this.drawn = new Map();
    this.body = element("div", { class: "body", role: "rowgroup" });
    this.scroller = element(
      "div",
      { class: "scroller", role, tabindex: "0", "aria-label": label },
      head,
      this.body,
    );
    this.head = head;
    container.replaceChildren(this.scroller);
    this.scroller.addEventListener("scroll", () => this.later());
    this.scroller.addEventListener("keydown", (event) => this.key(event));
    this.body.addEventListener("click", (event) => this.click(event));
    new ResizeObserver(() => this.later()).observe(this.scroller);
    // Paper shows what scrolls, up to a limit.
    addEventListener("beforeprint", () => this.paint(0, Math.min(this.length, 5000)));
    addEventListener("afterprint", () => this.refresh());
  }

  // Shows so many rows, all drawn anew.
  show(length, active) {
    this.length = length;
    this.active = active;
    this.scroller.setAttribute("aria-rowcount", length + (this.head ? 1 : 0));
    this.body.style.height = `${length * this.height}px`;
    this.refresh();
  }

  refresh() {
    this.drawn.clear();
    this.body.replaceChildren();
    this.update();
  }

  later() {
    this.pending ??= requestAnimationFrame(() => {
      this.pending = undefined;
      this.update();
    });
  }

  // The first visible row, and how many of them fit.
  window() {
    const head = this.head?.offsetHeight ?? 0;
    const first = Math.floor(this.scroller.scrollTop / this.height);
    const fit = Math.ceil(Math.max(0, this.scroller.clientHeight - head) / this.height);
    return [first, fit];
  }

  update() {
    const [first, fit] = this.window();
    this.paint(Math.max(0, first - MARGIN), Math.min(this.length, first + fit + MARGIN));
    this.ondrawn?.();
  }

  paint(from, to) {
    for (const [at, row] of this.drawn) {
      if (at < from || at >= to) {
        row.remove();
        this.drawn.delete(at);
      }
    }
    // From the last one, so that the next row is there: screen readers and paper need their order.
    for (let at = to - 1; at >= from; at--) {
      if (this.drawn.has(at)) continue;
      const row = this.draw(at);
      row.id = `${this.prefix}-${at}`;
      row.dataset.at = at;
      row.style.transform = `translateY(${at * this.height}px)`;
      row.setAttribute("aria-rowindex", at + (this.head ? 2 : 1));
      this.drawn.set(at, row);
      this.body.insertBefore(row, this.drawn.get(at + 1) ?? null);
    }
    this.mark();
  }

  mark() {
    for (const [at, row] of this.drawn) {
      row.setAttribute("aria-selected", at === this.active);
    }
    if (this.drawn.has(this.active)) {
      this.scroller.setAttribute("aria-activedescendant", `${this.prefix}-${this.active}`);
    } else {
      this.scroller.removeAttribute("aria-activedescendant");
    }
  }

  // Chooses a row and scrolls to it, to the middle if it was not visible.
  choose(at, isTold = true) {
    if (at < 0 || at >= this.length) return;
    this.active = at;
    const [first, fit] = this.window();
    const near = at >= first - 2 && at <= first + fit + 1;
    if (at <= first) this.scroller.scrollTop = (near ? at : at - Math.floor(fit / 3)) * this.height;
    if (at >= first + fit - 1) {
      this.scroller.scrollTop = (near ? at - fit + 2 : at - Math.floor(fit / 3)) * this.height;
    }
    this.update();
    if (isTold) this.onactive?.(at);
  }

  key(event) {
    if (event.target !== this.scroller || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, this.window()[1] - 2);
    const steps = {
      ArrowDown: this.active + 1,
      ArrowUp: this.active - 1,
      PageDown: this.active + page,
      PageUp: this.active - page,
      Home: 0,
      End: this.length - 1,
    };
    if (event.key in steps) {
      this.choose(Math.max(0, Math.min(this.length - 1, steps[event.key])));
    } else if (!this.onkey?.(event, this.active)) {
      return;
    }
    event.preventDefault();
  }

  click(event) {
    const row = event.target.closest("[data-at]");
    if (!row) return;
    const at = Number(row.dataset.at);
    if (!event.defaultPrevented) this.choose(at);
  }
}

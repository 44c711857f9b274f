// Elements of a list that is shown again and again: one that looks as before is not touched, so whoever is about to press it does not lose it.

const FIELDS = "a, button, input, select";

/**
 * Children of `parent`. `key(item)` tells items apart; `draw(item, element)` gives the element of one whose `look(item)` is new, or
 * changes the one that it has. What had the focus has it again.
 */
export class KeptList {
  #parent;
  #how;
  #entries = new Map();      // key: {element, look}

  constructor(parent, how) {
    this.#parent = parent;
    this.#how = how;
  }

  #entry(item) {
    const { key, look, draw } = this.#how;
    const old = this.#entries.get(key(item));
    const words = JSON.stringify(look(item));
    if (old?.look === words) return old;
    const place = old?.element.contains(document.activeElement) ? [...old.element.querySelectorAll(FIELDS)].indexOf(document.activeElement) : -1;
    const element = draw(item, old?.element);
    if (old && old.element !== element) old.element.replaceWith(element);
    if (place >= 0 && !element.contains(document.activeElement)) element.querySelectorAll(FIELDS)[place]?.focus();
    return { element, look: words };
  }

  show(items) {
    const entries = new Map(items.map((item) => [this.#how.key(item), this.#entry(item)]));
    for (const [key, { element }] of this.#entries) if (!entries.has(key)) element.remove();
    [...entries.values()].forEach(({ element }, i) => {
      if (this.#parent.children[i] !== element) this.#parent.insertBefore(element, this.#parent.children[i] ?? null);
    });
    this.#entries = entries;
  }

  /** The element of an item, if it is shown. */
  element(key) {
    return this.#entries.get(key)?.element ?? null;
  }
}

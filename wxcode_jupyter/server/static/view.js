// How things look: elements made of text, never of markup, because it is Claude's or a terminal's.

// As `plain.py` has it: escape sequences, control characters, and the marks that reorder text.
const CONTROLS =
  /\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.?|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

// In the element itself, as in the picture: the rules of front ends for outputs are stronger than a class.
const PRE =
  "font-family:var(--jp-code-font-family,monospace);font-size:var(--jp-code-font-size,13px);line-height:1.3;" +
  "white-space:pre;overflow-x:auto;margin:4px 0;padding:0;background:none;color:inherit";

const DOTS = { good: "#2da44e", busy: "#388bfd", needed: "#d29922", bad: "#e5534b", quiet: "#8b949e" };
const TONES = {
  session: { starting: "busy", attention: "needed", idle: "good", busy: "busy", waiting: "needed", exited: "bad" },
  milestone: { in_progress: "busy", completed: "good", failed: "bad" },
  command: {
    delivering: "busy", accepted: "busy", completed: "good", failed: "bad", interrupted: "needed",
    asks: "needed", limited: "needed",
  },
};

/** Make an element: properties as they are, `aria` and `data` as attributes, texts without control characters. */
export function make(tag, { aria = {}, data = {}, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(aria)) element.setAttribute(`aria-${name}`, value);
  for (const [name, value] of Object.entries(data)) element.setAttribute(`data-${name}`, value);
  element.append(...children.map((child) => (typeof child === "string" ? clean(child) : child)));
  return element;
}

/** Take out what would move or reorder text. */
export function clean(text) {
  return text.replace(/\r\n|[\u2028\u2029]/g, "\n").replace(CONTROLS, "");
}

/** Make the dot and word of a state; `kind` is `session`, `milestone` or `command`. */
export function badge(kind, word) {
  const dot = make("span", { ariaHidden: "true" }, "●");
  dot.style.color = DOTS[TONES[kind][word] ?? "quiet"];
  return [dot, ` ${word}`];
}

/** Make the grid of named values. */
export function grid(rows) {
  const cells = rows.map(([label, value]) => [make("div", { className: "wx-label" }, label), make("div", {}, value)]);
  return make("div", { className: "wx-grid" }, ...cells.flat());
}

/** Make a text that stands as it is: a terminal's, a command. */
export function verbatim(text) {
  return make("pre", { style: PRE }, text);
}

/** Return the local time of day, `HH:MM:SS`. */
export function clock(moment) {
  return new Date(moment).toTimeString().slice(0, 8);
}

// What Claude asks, as a form that posts straight to the server.

import { post, Refused } from "./api.js";
import { refresh } from "./feed.js";
import { grid, make, verbatim } from "./view.js";

const TEXT_LIMIT = 1000;
let made = 0;

/** The form of one question, as REST has it; `node` is what is shown, `settled` whether it is over. */
export class QuestionForm {
  settled = false;
  #question;
  #items;
  #fields;
  #said = make("output", { className: "wx-said" }); // a live region: a screen reader tells what it says

  constructor(question) {
    this.#question = question;
    this.#items = question.items.map((item) => new Item(item));
    const answerable = question.items.length && question.items.every((item) => item.options.length || item.free_text);
    const button = make("button", { type: "submit", className: "wx-button" }, "Answer");
    const items = answerable ? this.#items.map((item) => item.node) : ["It asks in the terminal: answer there."];
    this.#fields = make("fieldset", {}, ...items, ...(answerable ? [button] : []));
    this.node = make(
      "form",
      {
        className: "wx-form",
        aria: { label: `Claude asks: ${question.title}` },
        // Keys are the form's: JupyterLab would take arrows for its own, and move the focus to the notebook.
        data: { "lm-suppress-shortcuts": "true" },
        onkeydown: (event) => event.stopPropagation(),
        onsubmit: (event) => {
          event.preventDefault();
          this.#answer();
        },
      },
      ...heading(question),
      this.#fields,
      this.#said,
    );
  }

  /** Whether this is still what is asked: the options of a permission may come later than the question. */
  fits(question) {
    return JSON.stringify(question.items) === JSON.stringify(this.#question.items);
  }

  /** Show how it ended; without a question the process that asked is gone. */
  settle(question) {
    this.settled = true;
    this.node.classList.add("wx-settled");
    const answers = question?.answer ?? [];
    const rows = this.#question.items.map((item, place) => [item.question, answers[place]]);
    this.#fields.replaceWith(grid(rows.filter(([, answer]) => answer)));
    if (this.#said.dataset.lost) return; // and who was first stands there
    this.#say(question?.answered_by ? `Answered by ${question.answered_by}.` : "It is asked no longer.");
  }

  async #answer() {
    const problem = this.#items.map((item) => item.problem(this.#items.length > 1)).find(Boolean);
    if (problem) return this.#say(problem);
    this.#fields.disabled = true;
    this.#say("Answering…");
    try {
      this.settle(await post(`questions/${this.#question.id}/answer`, this.#body()));
    } catch (error) {
      this.#tell(error);
    }
    refresh(this.#question.output_project_id);
  }

  #body() {
    if (this.#items.length > 1) return { choices: this.#items.map((item) => item.entry()) };
    const [{ labels, text }] = this.#items;
    return { ...(labels.length && { choices: labels }), ...(text && { text }) };
  }

  #tell(error) {
    const lost = error instanceof Refused && error.reason === "already_answered";
    this.#fields.disabled = lost;
    if (lost) this.#said.dataset.lost = "true";
    const why = error instanceof Refused ? error.message : "The server cannot be reached: try again.";
    this.#say(lost ? `Too late: ${why}` : why);
  }

  #say(text) {
    this.#said.replaceChildren(make("span", {}, text));
  }
}

/** The fields of one thing that is asked. */
class Item {
  #item;
  #inputs;
  #text = null;

  constructor(item) {
    this.#item = item;
    const name = `wx-${(made += 1)}`;
    const type = item.multi_select ? "checkbox" : "radio";
    this.#inputs = item.options.map((option) => make("input", { type, name, value: option.label }));
    const lines = item.options.map(({ label, description }, place) =>
      line(this.#inputs[place], label, description ? make("span", { className: "wx-label" }, ` ${description}`) : ""));
    if (item.free_text) lines.push(this.#ownText(type, name));
    const header = item.header && item.header !== item.question ? `${item.header}: ` : "";
    const legend = make("legend", {}, header, item.question);
    this.node = make("fieldset", { className: "wx-item" }, legend, ...lines);
  }

  /** The labels that are chosen. */
  get labels() {
    return this.#inputs.filter((input) => input.checked).map((input) => input.value);
  }

  /** The text of one's own, or "". */
  get text() {
    const chosen = this.#text && this.#text.mark.checked;
    return chosen ? this.#text.field.value.trim() : "";
  }

  /** Return what is missing, or "". */
  problem(isOneOfSeveral) {
    if (!this.labels.length && !this.text) return `${this.#item.question} Choose an answer.`;
    if (isOneOfSeveral && this.labels.length && this.text)
      return `${this.#item.question} Choose options or write a text: both is possible only where one thing is asked.`;
    return "";
  }

  /** The answer as one entry of several. */
  entry() {
    if (this.text) return { text: this.text };
    return this.#item.multi_select ? this.labels : this.labels[0];
  }

  #ownText(type, name) {
    const mark = make("input", { type, name, value: "", aria: { label: "An answer of your own" } });
    const field = make("input", {
      type: "text", maxLength: TEXT_LIMIT, placeholder: "an answer of your own", className: "wx-text",
      aria: { label: `${this.#item.question} An answer of your own` },
      oninput: () => (mark.checked = field.value.trim() !== ""),
    });
    mark.onchange = () => mark.checked && field.focus();
    this.#text = { mark, field };
    return make("div", { className: "wx-line" }, mark, field);
  }
}

function line(input, ...children) {
  return make("label", { className: "wx-line" }, input, make("span", {}, ...children));
}

function heading({ kind, title, subject }) {
  const what = kind === "permission" ? " for a permission" : "";
  const asks = make("div", { className: "wx-heading" }, `Claude asks${what}`);
  if (kind === "question") return [asks]; // its title is its items'
  const whole = subject && !title.endsWith(subject) ? [verbatim(subject)] : [];
  return [asks, make("div", {}, title), ...whole];
}

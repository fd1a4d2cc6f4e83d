// <wxcode-card>: the picture that a kernel has drawn, brought up to date from the server that this page comes from.

import { Refused } from "./api.js";
import { follow } from "./feed.js";
import { QuestionForm } from "./form.js";
import { commandWord, isFinal, outcomeNotes, sessionRows, shownScreen, workRows } from "./rows.js";
import { badge, clock, grid, make, verbatim } from "./view.js";

const ENDED = ["completed", "failed"];

class WxcodeCard extends HTMLElement {
  #leave = null;
  #follows = false; // whether the picture has been replaced by what the server says
  #over = false; // whether nothing can change any more
  #drawn = "";
  #forms = new Map();
  #now = null;
  #state = make("div", { className: "wx-state", role: "status" });

  connectedCallback() {
    if (!this.#over) this.#leave = follow(this.dataset.project, this);
  }

  disconnectedCallback() {
    this.#leave?.();
  }

  wanted() {
    const { command, milestone } = this.dataset;
    return { commands: command ? [command] : [], milestones: milestone ? [milestone] : [] };
  }

  show(news) {
    const command = news.commands.get(this.dataset.command);
    if (this.dataset.command && !command) return this.#tell("Not followed: the command is not known any more.");
    if (!this.#follows && !this.#isHere(news, command)) {
      return this.#tell("Not followed: the server of this page does not have the session; this is how it was.");
    }
    this.#begin();
    this.#draw(...this.#look(news, command));
    this.#ask(news, command);
    this.#tell(this.#endOf(news, command) ? "" : this.#hint());
    if (this.#endOf(news, command)) this.#finish();
  }

  miss(error) {
    if (!(error instanceof Refused) || error.status >= 500) {
      const since = this.#state.dataset.lost || clock(Date.now());
      this.#tell(`The server cannot be reached since ${since}; this card goes on when it can.`);
      this.#state.dataset.lost = since;
    } else if (error.reason === null) {
      this.#tell(`Not followed: the server of this page does not let it (${error.status}).`);
    } else {
      this.#tell(`Not followed: ${error.message}`);
    }
  }

  /** Whether the page's server can tell: "stopped" says every server of a session that another one has. */
  #isHere({ server, session }, command) {
    const hasEnded = command && isFinal(command); // what has ended stands in the store, which all servers share
    return hasEnded || String(server) === this.dataset.server || session.state !== "stopped";
  }

  #begin() {
    delete this.#state.dataset.lost;
    if (this.#follows) return;
    this.#follows = true;
    this.classList.add("wx-card");
    this.#now = this.querySelector("[data-wx=now]");
    this.#now.replaceChildren(make("div"), make("div"), this.#state);
  }

  /** Return the badge's kind and word, the rows, the terminal's text and the notes. */
  #look({ session, milestones }, command) {
    const { subject, milestone } = this.dataset;
    if (subject === "questions") return [null, "", [], "", []];
    if (subject === "session") return ["session", session.state, sessionRows(session), shownScreen(session), []];
    const work = [workRows(command, session), isFinal(command) ? "" : shownScreen(session), outcomeNotes(command)];
    if (subject === "command") return ["command", commandWord(command), ...work];
    return ["milestone", milestones.get(milestone)?.status ?? "unknown", ...work];
  }

  #draw(kind, word, rows, screen, notes) {
    const drawn = JSON.stringify([word, rows, screen, notes]);
    if (drawn === this.#drawn) return; // a text that somebody is selecting stays
    this.#drawn = drawn;
    if (kind) this.querySelector("[data-wx=badge]")?.replaceChildren(...badge(kind, word));
    this.#now.firstChild.replaceChildren(
      grid(rows),
      ...(screen ? [verbatim(screen)] : []),
      ...notes.map((note) => make("div", { className: "wx-note" }, note)),
    );
  }

  /** Show a form for what is asked, and how it ended for what was; what is being filled in is left alone. */
  #ask({ questions }, command) {
    const mine = command ? command.status === "accepted" : true;
    const place = this.#now.children[1];
    for (const question of questions.filter((each) => mine && !each.answered_at)) {
      const present = this.#forms.get(question.id);
      if (present?.fits(question)) continue;
      const form = new QuestionForm(question);
      this.#forms.set(question.id, form);
      present ? present.node.replaceWith(form.node) : place.append(form.node);
    }
    for (const [id, form] of this.#forms) {
      const question = questions.find((each) => each.id === id);
      if (!form.settled && (!question || question.answered_at)) form.settle(question);
    }
    if (this.dataset.subject === "questions" && !this.#forms.size) {
      place.replaceChildren(make("div", { className: "wx-note" }, "Claude asks nothing now."));
    } else if (this.#forms.size) {
      place.querySelector(":scope > .wx-note")?.remove();
    }
  }

  #hint() {
    const rest = this.dataset.subject === "session" ? `; the rest is of ${clock(this.dataset.at)}` : "";
    return `follows the server${rest}`;
  }

  #endOf({ milestones }, command) {
    if (this.dataset.subject === "command") return isFinal(command);
    const milestone = milestones.get(this.dataset.milestone);
    return milestone !== undefined && ENDED.includes(milestone.status) && isFinal(command);
  }

  #finish() {
    this.#over = true;
    this.#leave?.();
  }

  #tell(text) {
    if (!this.#state.isConnected) this.querySelector("[data-wx=now]").append(this.#state);
    if (this.#state.textContent !== text) this.#state.textContent = text; // a screen reader tells every change
  }
}

document.head.append(make("link", { rel: "stylesheet", href: new URL("cards.css", import.meta.url).href }));
customElements.define("wxcode-card", WxcodeCard);

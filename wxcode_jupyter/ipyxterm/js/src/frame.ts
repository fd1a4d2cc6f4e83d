/** What stands around the screen: the toolbar, and the line that tells how the connection is. */

import { button, element } from "./dom.ts";
import type { Display, Phase } from "./client.ts";
import type { Role, State } from "./frames.ts";
import { plain } from "./plain.ts";

/** What the buttons do. */
export interface Actions {
  connect(): void;
  interrupt(): void;
  search(): void;
  enlarge(by: number): void;
  copy(): void;
  /** Turn the reader's mode on or off, and return which. */
  toggleReader(): boolean;
  /** Give the focus back to the screen. */
  enter(): void;
  /** Give the focus to the page around. */
  leave(): void;
}

const TONES: Record<string, string> = {
  starting: "busy",
  attention: "needed",
  idle: "good",
  busy: "busy",
  waiting: "needed",
  exited: "bad",
};
const SHORT = 8;
const NAME_LIMIT = 80;

export class Frame implements Display {
  readonly toolbar: HTMLElement;
  readonly notices: HTMLElement;

  private readonly badge = element("span", "state", { role: "status" });
  private readonly name = element("span", "name");
  private readonly id = element("span", "id");
  private readonly asks = element("span", "asks", { role: "status" });
  private readonly reading = element("span", "role", {}, "read only");
  private readonly interrupt: HTMLButtonElement;
  private readonly line = element("span", "line", { role: "status" });
  private readonly again: HTMLButtonElement;

  private current: Phase = { name: "connecting" };
  private latest: Partial<State> = {};
  private isObserver = false;
  private told = "";

  constructor(
    private readonly root: HTMLElement,
    private readonly actions: Actions,
    label: string,
    isReader: boolean,
    /** What to know of the way that the terminal is reached by, once it is. */
    private readonly remark: () => string,
  ) {
    this.interrupt = button("Interrupt (Esc)", "Esc", () => this.act(actions.interrupt));
    const reader = button("Screen reader mode", "Reader", () =>
      reader.setAttribute("aria-pressed", String(actions.toggleReader())),
    );
    reader.setAttribute("aria-pressed", String(isReader));
    const tools = [
      this.interrupt,
      button("Search (Ctrl+Shift+F)", "Search", () => actions.search()),
      button("Smaller text", "A−", () => actions.enlarge(-1)),
      button("Larger text", "A+", () => actions.enlarge(1)),
      button("Copy the selection, or the screen", "Copy", () => actions.copy()),
      reader,
    ];
    write(this.name, label, NAME_LIMIT);
    this.toolbar = element(
      "div",
      "toolbar",
      { role: "toolbar", "aria-label": "Terminal. Alt+F10 goes from the terminal to this toolbar, Escape leaves it." },
      ...[this.badge, this.name, this.id, this.asks, element("span", "space"), this.reading, ...tools],
    );
    this.toolbar.addEventListener("keydown", (event) => this.move(event, tools));
    for (const tool of tools.slice(1)) tool.tabIndex = -1;
    this.again = button("Connect now", "", () => this.act(actions.connect));
    this.notices = element("div", "notice", {}, this.line, this.again);
    this.show();
  }

  phase(phase: Phase): void {
    this.current = phase;
    this.told = "";
    this.show();
  }

  state(state: Partial<State>): void {
    this.latest = { ...this.latest, ...state };
    this.show();
  }

  role(role: Role): void {
    this.isObserver = role === "observer";
    this.show();
  }

  notice(text: string): void {
    this.told = text;
    this.show();
  }

  /** Give the focus to the toolbar. */
  focus(): void {
    this.toolbar.querySelector<HTMLElement>("button:not(:disabled)")?.focus();
  }

  private act(action: () => void): void {
    action();
    this.actions.enter();
  }

  private show(): void {
    const { state = "", claude_session_id: id, project, attention, questions = 0 } = this.latest;
    const isAttached = this.current.name === "attached";
    const known = isAttached ? state || "connected" : this.current.name === "waiting" ? "offline" : this.current.name;
    this.root.dataset["phase"] = this.current.name;
    this.root.dataset["role"] = this.isObserver ? "observer" : "driver";
    write(this.badge, known);
    this.badge.dataset["tone"] = isAttached ? (TONES[state] ?? "") : this.current.name === "connecting" ? "" : "bad";
    if (project?.name) write(this.name, project.name, NAME_LIMIT);
    write(this.id, id?.slice(0, SHORT) ?? "");
    this.id.title = id ? plain(`Conversation ${id}`) : "";
    write(this.asks, attention ?? (questions === 1 ? "Claude asks" : questions > 1 ? `Claude asks ${questions} things` : ""));
    this.reading.hidden = !this.isObserver;
    this.interrupt.disabled = !isAttached || this.isObserver;
    const line = this.describe();
    write(this.line, line);
    write(this.again, { waiting: "Try now", ended: "Start again", refused: "Try again" }[this.current.name as string] ?? "");
    this.again.hidden = this.again.textContent === "";
    this.notices.hidden = line === "";
  }

  private describe(): string {
    const phase = this.current;
    switch (phase.name) {
      case "connecting":
        return this.latest.connected === false && this.latest.message ? this.latest.message : "Connecting…";
      case "attached":
        return this.told || this.remark();
      case "waiting":
        return `Not connected${phase.reason ? `: ${phase.reason.replace(/\.$/, "")}` : ""}. Next try in ${Math.ceil(phase.delay / 1000)} s.`;
      case "ended":
        return phase.exitCode === null ? "The program has ended." : `The program has ended (exit code ${phase.exitCode}).`;
      case "refused":
        return phase.reason;
    }
  }

  /** One stop for Tab, arrows in between, as screen readers expect of a toolbar. */
  private move(event: KeyboardEvent, tools: HTMLButtonElement[]): void {
    const usable = tools.filter((tool) => !tool.disabled);
    const place = usable.indexOf(event.target as HTMLButtonElement);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") this.actions.leave();
    else if (step !== undefined && place >= 0) {
      const next = usable[(place + step + usable.length) % usable.length];
      for (const tool of tools) tool.tabIndex = tool === next ? 0 : -1;
      next?.focus();
    } else return;
    event.preventDefault();
  }
}

/** Only what changes, so that a screen reader does not say it again; of what others wrote, nothing that acts. */
function write(place: HTMLElement, text: string, limit?: number): void {
  const shown = plain(text, limit);
  if (place.textContent !== shown) place.textContent = shown;
}

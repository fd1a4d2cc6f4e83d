/** The line for searching in the terminal. */

import type { ISearchOptions, SearchAddon } from "@xterm/addon-search";
import { button, element } from "./dom.ts";

const OPTIONS: ISearchOptions = {
  decorations: {
    matchBackground: "#d2992280",
    matchOverviewRuler: "#d29922",
    activeMatchBackground: "#f0883e",
    activeMatchColorOverviewRuler: "#f0883e",
  },
};

export class Search {
  readonly line: HTMLElement;
  private readonly field = element("input", "", { type: "search", "aria-label": "Search in the terminal" });
  private readonly found = element("span", "found", { role: "status" });

  constructor(
    private readonly addon: SearchAddon,
    /** Gives the focus back to the terminal. */
    private readonly leave: () => void,
  ) {
    this.line = element(
      "div",
      "search",
      { role: "search" },
      this.field,
      button("Previous (Shift+Enter)", "↑", () => this.addon.findPrevious(this.field.value, OPTIONS)),
      button("Next (Enter)", "↓", () => this.addon.findNext(this.field.value, OPTIONS)),
      this.found,
      button("Close (Escape)", "×", () => this.close()),
    );
    this.line.hidden = true;
    this.field.oninput = () => this.addon.findPrevious(this.field.value, { ...OPTIONS, incremental: true });
    this.line.onkeydown = (event) => this.press(event);
    addon.onDidChangeResults(({ resultIndex, resultCount }) => {
      this.found.textContent = resultCount === 0 ? "not found" : `${resultIndex + 1} of ${resultCount}`;
    });
  }

  open(): void {
    this.line.hidden = false;
    this.field.select();
    this.field.focus();
  }

  private close(): void {
    this.addon.clearDecorations();
    this.line.hidden = true;
    this.leave();
  }

  private press(event: KeyboardEvent): void {
    if (event.key === "Escape") this.close();
    else if (event.key === "Enter" && event.target === this.field) {
      if (event.shiftKey) this.addon.findPrevious(this.field.value, OPTIONS);
      else this.addon.findNext(this.field.value, OPTIONS);
    } else return;
    event.preventDefault();
  }
}

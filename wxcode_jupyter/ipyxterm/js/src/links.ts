/** Links of a program's (OSC 8, or what looks like an address): opened when somebody has seen where they lead. */

import { button, element } from "./dom.ts";
import { isPlain, plain } from "./plain.ts";

const PROTOCOLS = ["http:", "https:", "mailto:"];
const LENGTH_LIMIT = 2000;

/** A place that may be opened. `url` is what is opened; `host` is whose it is. */
export interface Target {
  url: string;
  host: string;
}

/**
 * Return where a link leads, null for anywhere but the web or a mailbox, and for what nobody could read.
 *
 * The address is as a browser resolves it: letters of other scripts in a host's name are written in ASCII (`xn--…`),
 * so that they cannot be taken for others.
 */
export function targetOf(link: string): Target | null {
  if (link.length > LENGTH_LIMIT || !isPlain(link) || !URL.canParse(link)) return null;
  const parsed = new URL(link);
  if (!PROTOCOLS.includes(parsed.protocol)) return null;
  return { url: parsed.href, host: parsed.protocol === "mailto:" ? parsed.pathname : parsed.host };
}

/** The line that asks whether a link is to be opened. */
export class Links {
  readonly line: HTMLElement;
  private readonly host = element("b", "host");
  private readonly url = element("code", "url", { tabindex: "0" });
  private readonly follow = element("a", "open", { target: "_blank", rel: "noopener noreferrer" }, "Open");

  constructor(
    /** Says why a link is not opened, "" where it may be. */
    private readonly tell: (text: string) => void,
    /** Gives the focus back to the terminal. */
    private readonly leave: () => void,
  ) {
    this.line = element(
      "div",
      "links",
      { role: "alertdialog", "aria-label": "Open a link of the terminal's?" },
      element("span", "", {}, "This link leads to ", this.host, ":"),
      this.url,
      this.follow,
      button("Do not open it (Escape)", "Cancel", () => this.close()),
    );
    this.line.hidden = true;
    // Once the browser has followed it.
    this.follow.onclick = () => void setTimeout(() => this.close());
    this.line.onkeydown = (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      this.close();
    };
  }

  /** Ask whether to open what a program has called a link. */
  ask(link: string): void {
    const target = targetOf(link);
    if (target === null) {
      this.close();
      this.tell(`This link is not opened, because it leads neither to the web nor to a mailbox: ${plain(link, 200)}`);
      return;
    }
    this.tell("");
    this.host.textContent = target.host;
    this.url.textContent = target.url;
    this.follow.href = target.url;
    this.line.hidden = false;
    this.follow.focus();
  }

  private close(): void {
    if (this.line.hidden) return;
    this.line.hidden = true;
    this.follow.removeAttribute("href");
    this.leave();
  }
}

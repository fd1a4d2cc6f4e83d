/** One terminal on a page: xterm.js and its add-ons, its frame, and the client that feeds it. */

import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { SerializeAddon } from "@xterm/addon-serialize";
import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { WebglAddon } from "@xterm/addon-webgl";
import { Terminal } from "@xterm/xterm";
import { Client, type Size } from "./client.ts";
import { guardClipboard } from "./clipboard.ts";
import { copy } from "./copy.ts";
import { element } from "./dom.ts";
import { Frame } from "./frame.ts";
import type { Way } from "./link.ts";
import { Links } from "./links.ts";
import { Screen } from "./screen.ts";
import { Search } from "./search.ts";
import { settings } from "./settings.ts";
import { lookAt, onThemeChange } from "./theme.ts";

export interface Options {
  ways: readonly Way[];
  /** The height at first, in rows; whoever looks may drag it. */
  rows: number;
  /** The width; 0 for what fits. */
  cols: number;
  /** The name that is shown until the server says one. */
  label: string;
  /** Whether programs may copy (OSC 52). */
  clipboard: boolean;
}

const SCROLLBACK_ROWS = 5_000;
const FONT_SIZES = { least: 6, most: 40 };
/** While somebody drags, the program is not asked to draw for every pixel. */
const SETTLE_MS = 80;
/** How xterm.js's answers to a program's queries begin. */
const ANSWER = /^\x1b(?:\[[?>]?[\d;]*\$?[cnRuyt]|[P\]])/;

export class View {
  private readonly root = element("div", "", { role: "group", "aria-label": "Terminal" });
  private readonly place = element("div", "screen");
  private readonly terminal: Terminal;
  private readonly fit = new FitAddon();
  private readonly serialize = new SerializeAddon();
  private readonly screen: Screen;
  private readonly client: Client;
  private readonly frame: Frame;
  private readonly search: Search;
  private readonly links: Links;
  private readonly ends: (() => void)[] = [];
  private isOpen = false;

  constructor(
    el: HTMLElement,
    private readonly options: Options,
  ) {
    this.root.className = "ipyxterm";
    el.append(this.root);
    this.terminal = new Terminal({
      allowProposedApi: true,
      cursorBlink: false,
      fontSize: settings.fontSize,
      minimumContrastRatio: 4.5,
      screenReaderMode: settings.isReader,
      scrollback: SCROLLBACK_ROWS,
      cols: options.cols || 80,
      rows: options.rows,
      // Any protocol, so that what is not opened is said.
      linkHandler: { activate: (_event, link) => this.links.ask(link), allowNonHttpProtocols: true },
    });
    const searching = new SearchAddon();
    const addresses = new WebLinksAddon((_event, link) => this.links.ask(link));
    for (const addon of [this.fit, this.serialize, searching, addresses, new UnicodeGraphemesAddon()])
      this.terminal.loadAddon(addon);
    this.links = new Links((text) => this.frame.notice(text), () => this.terminal.focus());
    this.search = new Search(searching, () => this.terminal.focus());
    this.screen = new Screen(this.terminal);
    guardClipboard(this.terminal.parser, {
      isOpen: options.clipboard,
      isPast: () => this.screen.isRestoring,
      copy: (text) => void copy(text).catch((error: unknown) => this.frame.notice(`Nothing was copied: ${String(error)}`)),
      refuse: () => this.frame.notice("A program wanted to copy into your clipboard, and may not."),
    });
    this.frame = new Frame(
      this.root,
      {
        connect: () => this.client.connect(),
        interrupt: () => this.type("\x1b"),
        search: () => this.search.open(),
        enlarge: (by) => this.enlarge(by),
        copy: () => void this.copy(),
        toggleReader: () => (this.terminal.options.screenReaderMode = settings.isReader = !settings.isReader),
        enter: () => this.terminal.focus(),
        leave: () => this.leave(),
      },
      options.label,
      settings.isReader,
      () => this.client.remark,
    );
    this.client = new Client(
      this.screen,
      options.ways,
      {
        phase: (phase) => this.frame.phase(phase),
        state: (state) => this.frame.state(state),
        role: (role) => {
          this.frame.role(role);
          this.terminal.options.disableStdin = role === "observer";
        },
        notice: (text) => this.frame.notice(text),
      },
    );
    this.root.append(this.frame.toolbar, this.frame.notices, this.links.line, this.search.line, this.place);
    this.listen();
  }

  /** End it; the session lives on. */
  dispose(): void {
    for (const end of this.ends) end();
    this.client.close();
    this.terminal.dispose();
    this.root.remove();
  }

  private listen(): void {
    this.terminal.onData((text) => this.type(text));
    this.terminal.onBinary((bytes) => this.send(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0))));
    this.terminal.attachCustomKeyEventHandler((event) => this.press(event));
    // Keys that are typed here are the terminal's, and none a shortcut of the page around it.
    this.root.dataset["lmSuppressShortcuts"] = "true";
    this.on(this.root, "keydown", (event) => event.stopPropagation());
    this.on(window, "online", () => this.client.hurry());
    this.on(document, "visibilitychange", () => document.visibilityState === "visible" && this.client.hurry());
    this.ends.push(onThemeChange(() => this.dress()));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const observer = new ResizeObserver(() => {
      if (!this.isOpen) this.open();
      clearTimeout(timer);
      timer = setTimeout(() => this.resize(), SETTLE_MS);
    });
    observer.observe(this.place);
    this.ends.push(() => {
      clearTimeout(timer);
      observer.disconnect();
    });
  }

  /** Begin, once there is room on the page: xterm.js measures its cells there. */
  private open(): void {
    if (this.place.clientWidth === 0) return;
    this.isOpen = true;
    this.dress();
    this.terminal.open(this.place);
    this.terminal.textarea?.setAttribute("aria-description", "Alt+F10 leaves the terminal for its toolbar.");
    this.draw();
    const [xterm] = this.place.getElementsByClassName("xterm");
    if (xterm !== undefined) this.place.style.height = `${xterm.clientHeight}px`;
    this.resize();
    this.client.connect();
  }

  /** By the graphics processor, where the page has one for us and as long as it leaves it to us. */
  private draw(): void {
    const webgl = new WebglAddon();
    webgl.onContextLoss(() => webgl.dispose());
    try {
      this.terminal.loadAddon(webgl);
    } catch (error) {
      console.info("ipyxterm: drawn without WebGL", error);
      webgl.dispose();
    }
  }

  private dress(): void {
    Object.assign(this.terminal.options, lookAt(this.root));
  }

  private resize(): void {
    const size = this.fitting();
    if (size !== null) this.client.resize(size);
  }

  private fitting(): Size | null {
    const size = this.isOpen && this.place.clientWidth > 0 ? this.fit.proposeDimensions() : undefined;
    if (size === undefined || !(size.rows > 0) || !(size.cols > 0)) return null;
    return { rows: Math.min(size.rows, 500), cols: Math.min(this.options.cols || size.cols, 500) };
  }

  private type(text: string): void {
    // What a snapshot asks was answered long ago; what is typed meanwhile is the user's.
    if (!(this.screen.isRestoring && ANSWER.test(text))) this.send(new TextEncoder().encode(text));
  }

  private send(chunk: Uint8Array): void {
    this.client.type(chunk);
  }

  /** Return whether a key is xterm.js's. */
  private press(event: KeyboardEvent): boolean {
    const name = `${event.ctrlKey ? "Ctrl+" : ""}${event.altKey ? "Alt+" : ""}${event.shiftKey ? "Shift+" : ""}${event.key}`;
    // As in JupyterLab's own terminal: Ctrl+V is the browser's paste, Ctrl+C copies where something is selected.
    if (name === "Ctrl+v") return false;
    if (name === "Ctrl+c" && !this.terminal.hasSelection()) return true;
    const act = {
      "Alt+F10": () => this.frame.focus(),
      "Ctrl+Shift+F": () => this.search.open(),
      "Ctrl+Shift+C": () => void this.copy(),
      "Ctrl+c": () => void this.copy(),
    }[name];
    if (act === undefined) return true;
    event.preventDefault();
    if (event.type === "keydown") act();
    return false;
  }

  private enlarge(by: number): void {
    const size = Math.max(FONT_SIZES.least, Math.min(settings.fontSize + by, FONT_SIZES.most));
    this.terminal.options.fontSize = settings.fontSize = size;
    this.resize();
  }

  private async copy(): Promise<void> {
    const selection = this.terminal.getSelection();
    try {
      if (selection) await copy(selection);
      else await copy(this.text(), this.serialize.serializeAsHTML({ scrollback: 0, includeGlobalBackground: true }));
      this.terminal.clearSelection();
      this.frame.notice(selection ? "The selection is copied." : "The screen is copied.");
    } catch (error) {
      this.frame.notice(`Nothing was copied: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private text(): string {
    const { active } = this.terminal.buffer;
    const rows = Array.from({ length: this.terminal.rows }, (_, row) => active.getLine(active.baseY + row));
    return rows.map((row) => row?.translateToString(true) ?? "").join("\n").trimEnd();
  }

  /** Give the focus to the cell, or to whatever around us takes it. */
  private leave(): void {
    const around = this.root.parentElement?.closest<HTMLElement>("[tabindex]");
    if (around) around.focus();
    else (document.activeElement as HTMLElement | null)?.blur();
  }

  private on(target: EventTarget, type: string, act: (event: Event) => void): void {
    target.addEventListener(type, act);
    this.ends.push(() => target.removeEventListener(type, act));
  }
}

/**
 * What a program may do with the clipboard (OSC 52): copy where whoever made the terminal allows it; read it never.
 *
 * Not @xterm/addon-clipboard, whose one use beyond this is to answer with what somebody has copied elsewhere.
 */

import type { IParser } from "@xterm/xterm";

export interface Clipboard {
  /** Whether programs may copy. */
  isOpen: boolean;
  /** Whether what is drawn was printed long ago: it was copied then. */
  isPast(): boolean;
  copy(text: string): void;
  /** Called when a program wanted to copy and may not. */
  refuse(): void;
}

export function guardClipboard(parser: IParser, clipboard: Clipboard): void {
  parser.registerOscHandler(52, (request) => {
    const [selection = "", wish = ""] = request.split(";");
    if (wish === "?" || clipboard.isPast()) return true;
    const text = decoded(wish);
    if (!clipboard.isOpen) clipboard.refuse();
    else if (text !== "" && (selection === "" || selection.includes("c"))) clipboard.copy(text);
    return true;
  });
}

/** Return the text of Base64, "" for what is none: a program cannot empty the clipboard either. */
function decoded(base64: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0)));
  } catch (error) {
    console.info("ipyxterm: no text for the clipboard", error);
    return "";
  }
}

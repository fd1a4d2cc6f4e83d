/** What anywidget calls: one view of a `Terminal` (terminal.py). */

import xtermStyle from "@xterm/xterm/css/xterm.css";
import { realClock } from "./clock.ts";
import { kernelWay } from "./kernel.ts";
import { socketWay, type Way } from "./link.ts";
import type { Model } from "./model.ts";
import ourStyle from "./style.css";
import { View } from "./view.ts";

const STYLE_ID = "ipyxterm-style";

export function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  addStyle();
  const view = new View(el, {
    ways: [...pageWay(String(model.get("page_url"))), kernelWay(model, realClock)],
    rows: Number(model.get("rows")),
    cols: Number(model.get("cols")),
    label: String(model.get("label")),
    clipboard: model.get("clipboard") === true,
  });
  return () => view.dispose();
}

/** The page's own way, where it has one: an address that is relative is that of the Jupyter server it comes from. */
function pageWay(url: string): Way[] {
  if (url === "") return [];
  if (/^wss?:/.test(url)) return [socketWay(url)];
  const page = document.getElementById("jupyter-config-data")?.textContent;
  if (!page) return [];
  const { baseUrl } = JSON.parse(page) as { baseUrl: string };
  const address = new URL(baseUrl + url, location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return [socketWay(address.href)];
}

function addStyle(): void {
  if (document.getElementById(STYLE_ID) !== null) return;
  const style = document.createElement("style");
  style.id = STYLE_ID;
  style.textContent = xtermStyle + ourStyle;
  document.head.append(style);
}

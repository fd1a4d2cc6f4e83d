/** Colours and fonts of the page that the terminal stands in: JupyterLab's, VS Code's, or the system's. */

import type { ITheme } from "@xterm/xterm";

/** GitHub's palettes: each colour is readable on the background of its theme. */
const LIGHT: ITheme = {
  black: "#24292f",
  red: "#cf222e",
  green: "#116329",
  yellow: "#7d4e00",
  blue: "#0969da",
  magenta: "#8250df",
  cyan: "#1b7c83",
  white: "#6e7781",
  brightBlack: "#57606a",
  brightRed: "#a40e26",
  brightGreen: "#1a7f37",
  brightYellow: "#633c01",
  brightBlue: "#218bff",
  brightMagenta: "#a475f9",
  brightCyan: "#3192aa",
  brightWhite: "#8c959f",
  selectionBackground: "#0969da40",
};
const DARK: ITheme = {
  black: "#484f58",
  red: "#ff7b72",
  green: "#3fb950",
  yellow: "#d29922",
  blue: "#58a6ff",
  magenta: "#bc8cff",
  cyan: "#39c5cf",
  white: "#b1bac4",
  brightBlack: "#6e7681",
  brightRed: "#ffa198",
  brightGreen: "#56d364",
  brightYellow: "#e3b341",
  brightBlue: "#79c0ff",
  brightMagenta: "#d2a8ff",
  brightCyan: "#56d4dd",
  brightWhite: "#ffffff",
  selectionBackground: "#58a6ff59",
};

export interface Look {
  theme: ITheme;
  fontFamily: string;
}

/** Return the look that fits the place of an element, whose style (style.css) has the page's colours. */
export function lookAt(element: HTMLElement): Look {
  const style = getComputedStyle(element);
  const background = hex(style.backgroundColor) ?? "#ffffff";
  const foreground = hex(style.color) ?? "#000000";
  const palette = isDark(background) ? DARK : LIGHT;
  return {
    theme: { ...palette, background, foreground, cursor: foreground, cursorAccent: background },
    fontFamily: style.getPropertyValue("--ipyxterm-font").trim() || "monospace",
  };
}

/** Call when the page's theme may have changed; returns what ends it. */
export function onThemeChange(act: () => void): () => void {
  const observer = new MutationObserver(act);
  const watched = { attributes: true, attributeFilter: ["class", "style", "data-jp-theme-name", "data-jp-theme-light"] };
  observer.observe(document.body, watched);
  observer.observe(document.documentElement, watched);
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", act);
  return () => {
    observer.disconnect();
    system.removeEventListener("change", act);
  };
}

/** Return a colour of a computed style as #rrggbb; null for one that is transparent. */
export function hex(color: string): string | null {
  const parts = color.match(/[\d.]+/g)?.map(Number);
  if (parts === undefined || parts.length < 3 || parts[3] === 0) return null;
  return "#" + parts.slice(0, 3).map((part) => Math.round(part).toString(16).padStart(2, "0")).join("");
}

export function isDark(color: string): boolean {
  const [red = 0, green = 0, blue = 0] = (color.match(/\w\w/g) ?? []).map((part) => parseInt(part, 16));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128;
}

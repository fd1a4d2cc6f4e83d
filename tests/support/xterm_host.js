// Hosts @xterm/headless terminals for tests/support/xterm.py: one JSON request per line in, one JSON answer per line out.
// Started with the folder of the installed packages as its argument.
"use strict";
const { createRequire } = require("module");
const readline = require("readline");

const load = createRequire(process.argv[2] + "/");
const { Terminal } = load("@xterm/headless");
// Its table comes out wrong where there is a Buffer (it reads from the beginning of Node's pool): load it as a browser does.
const NodeBuffer = globalThis.Buffer;
globalThis.Buffer = undefined;
const { UnicodeGraphemesAddon } = load("@xterm/addon-unicode-graphemes");
globalThis.Buffer = NodeBuffer;

const terminals = new Map();
const MODES = 3 << 24, RGB = 3 << 24;

// As users see it: the first 16 colours can be asked for in two ways (libghostty does not tell which it was), and below
// a palette's index are left-overs of the colour before.
function color(value) {
  if ((value & MODES) === RGB) return "#" + (value & 0xffffff).toString(16);
  return value & MODES ? String(value & 0xff) : "";
}

function pen(attributes, links) {
  const extended = attributes.extended;
  const flags = [
    attributes.isBold(), attributes.isDim(), attributes.isItalic(), attributes.isBlink(), attributes.isInverse(),
    attributes.isInvisible(), attributes.isStrikethrough(), attributes.isOverline(), attributes.isProtected(),
  ].map((flag) => (flag ? 1 : 0)).join("");
  const underline = attributes.isUnderline() ? `${extended.underlineStyle}:${attributes.getUnderlineColor()}` : "";
  const link = extended.urlId ? (links.getLinkData(extended.urlId) || {}).uri || "" : "";
  return `${color(attributes.fg)},${color(attributes.bg)},${flags},${underline},${link}`;
}

// A row as text: \x01 look \x02 before each run of one look, \x03 and the width after each cell.
function rowOf(buffer, core, y, Cell) {
  const line = buffer.lines.get(y);
  const runs = [];
  let last = null;
  for (let x = 0; x < core.cols; x++) {  // a row of a screen that has become narrower may be longer
    const cell = line.loadCell(x, Cell);
    const looks = pen(cell, core._oscLinkService);
    if (looks !== last) runs.push(`\x01${looks}\x02`);
    last = looks;
    runs.push(`${cell.getChars()}\x03${cell.getWidth()}`);
  }
  return runs.join("");
}

function bufferOf(buffer, core, Cell) {
  const rows = [], wraps = [];
  for (let y = 0; y < buffer.lines.length; y++) {
    rows.push(rowOf(buffer, core, y, Cell));
    wraps.push(buffer.lines.get(y).isWrapped);
  }
  return {
    rows, wraps, base: buffer.ybase, cursor: [buffer.y, buffer.x], region: [buffer.scrollTop, buffer.scrollBottom],
    saved: [Math.max((buffer.savedY || 0) - buffer.ybase, 0), Math.min(buffer.savedX || 0, core.cols - 1), pen(buffer.savedCurAttrData, core._oscLinkService)],
    tabs: Object.keys(buffer.tabs).filter((at) => buffer.tabs[at]).map(Number).filter((at) => at > 0 && at < core.cols - 1),
  };
}

function stateOf(terminal) {
  const core = terminal._core;
  const alternate = terminal.buffer.active.type === "alternate";
  const Cell = core.buffer.getNullCell().constructor;
  const cell = new Cell();
  const { normal, alt } = core.buffers;
  const modes = core.coreService.decPrivateModes;
  return {
    size: [terminal.rows, terminal.cols],
    alternate,
    normal: bufferOf(normal, core, cell),
    alt: alternate ? bufferOf(alt, core, cell) : null,
    pen: pen(core._inputHandler._curAttrData, core._oscLinkService),
    modes: {
      ...modes, ...core.coreService.modes, hidden: core.coreService.isCursorHidden,
      mouse: core.coreMouseService.activeProtocol, encoding: core.coreMouseService.activeEncoding,
      convertEol: core.optionsService.options.convertEol, blink: core.optionsService.options.cursorBlink,
    },
    charset: core._charsetService.charset ? Object.keys(core._charsetService.charset).length : 0,
    title: terminal.title_ || "",
  };
}

const operations = {
  open({ cols, rows, scrollback }) {
    const terminal = new Terminal({ cols, rows, scrollback, allowProposedApi: true });
    terminal.loadAddon(new UnicodeGraphemesAddon());
    terminal.onTitleChange((title) => (terminal.title_ = title));
    const number = terminals.size;
    terminals.set(number, terminal);
    return { terminal: number };
  },
  write({ terminal, data }) {
    return new Promise((resolve) => terminals.get(terminal).write(Buffer.from(data, "base64"), () => resolve({})));
  },
  resize({ terminal, cols, rows }) {
    terminals.get(terminal).resize(cols, rows);
    return {};
  },
  state({ terminal }) {
    return stateOf(terminals.get(terminal));
  },
  close({ terminal }) {
    terminals.get(terminal).dispose();
    terminals.set(terminal, null);
    return {};
  },
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    process.stdout.write(JSON.stringify(await operations[request.op](request)) + "\n");
  }
})();

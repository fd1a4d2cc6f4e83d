/** Text that others wrote, a program or a server, for the page: nothing in it moves or reorders what stands beside it. */

/** As `wxcode_jupyter/plain.py` has it: control characters, and the marks that reorder text or break lines. */
const HOSTILE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Return text on one line, without what acts, cut to `limit` characters. */
export function plain(text: string, limit = 500): string {
  const line = text.replace(/\s+/g, " ").replace(HOSTILE, "").trim();
  return line.length <= limit ? line : `${line.slice(0, limit - 1)}…`;
}

/** Whether a text is on one line and has nothing that acts. */
export function isPlain(text: string): boolean {
  return text.search(HOSTILE) < 0;
}

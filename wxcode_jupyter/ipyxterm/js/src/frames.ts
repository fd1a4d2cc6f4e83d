/**
 * The frames of `wxterm.v1`: pure encoding and decoding. PROTOCOL.md of wxcode_jupyter is their specification.
 *
 * One frame is one message: a byte for its type, then its body. Numbers are big-endian, texts UTF-8.
 */

export const PROTOCOL = "wxterm.v1";

export interface State {
  stream: string | null;
  connected: boolean;
  state: string;
  claude_session_id: string | null;
  project: { id: string; name: string } | null;
  message: string;
  attention: string | null;
  questions: number;
  clients: number;
}

export type Role = "driver" | "observer";

export type ServerFrame =
  | { type: "output"; offset: number; chunk: Uint8Array }
  | { type: "snapshot"; offset: number; rows: number; cols: number; chunk: Uint8Array }
  | { type: "size"; offset: number; rows: number; cols: number }
  | { type: "state"; state: Partial<State> }
  | { type: "role"; role: Role }
  | { type: "error"; code: string; message: string }
  | { type: "closed"; exitCode: number | null }
  | { type: "pong" };

export interface Attach {
  stream: string | null;
  offset: number | null;
  rows: number | null;
  cols: number | null;
  window: number | null;
}

/** One INPUT frame has at most so many bytes: what is longer is split, and a key pressed after a paste waits for less. */
export const INPUT_LIMIT = 64 * 1024;

const text = new TextEncoder();
const reader = new TextDecoder();

export function attach(body: Attach): Uint8Array {
  return frame(0x10, text.encode(JSON.stringify(body)));
}

/** Return the frames that carry these bytes, in order. */
export function input(chunk: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < chunk.length; at += INPUT_LIMIT) frames.push(frame(0x11, chunk.subarray(at, at + INPUT_LIMIT)));
  return frames;
}

export function resize(rows: number, cols: number): Uint8Array {
  const body = new Uint8Array(4);
  const view = new DataView(body.buffer);
  view.setUint16(0, rows);
  view.setUint16(2, cols);
  return frame(0x12, body);
}

export function ack(offset: number): Uint8Array {
  const body = new Uint8Array(8);
  new DataView(body.buffer).setBigUint64(0, BigInt(offset));
  return frame(0x14, body);
}

export function ping(): Uint8Array {
  return frame(0x18, new Uint8Array());
}

/**
 * Read a frame.
 *
 * @returns null for a type that is not known: receivers ignore it.
 * @throws {RangeError|SyntaxError} The body does not fit its type.
 */
export function decode(message: Uint8Array): ServerFrame | null {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  switch (message[0]) {
    case 0x01:
      return { type: "output", offset: offsetAt(view), chunk: message.subarray(9) };
    case 0x02:
      return { type: "snapshot", ...sizeAt(view), chunk: message.subarray(13) };
    case 0x03:
      return { type: "size", ...sizeAt(view) };
    case 0x04:
      return { type: "state", state: body(message) as Partial<State> };
    case 0x05:
      return { type: "role", role: body(message)["role"] === "observer" ? "observer" : "driver" };
    case 0x06: {
      const { code, message: told } = body(message);
      return { type: "error", code: String(code), message: String(told) };
    }
    case 0x07: {
      const code = body(message)["exit_code"];
      return { type: "closed", exitCode: typeof code === "number" ? code : null };
    }
    case 0x08:
      return { type: "pong" };
    default:
      return null;
  }
}

function frame(type: number, body: Uint8Array): Uint8Array {
  const message = new Uint8Array(body.length + 1);
  message[0] = type;
  message.set(body, 1);
  return message;
}

function body(message: Uint8Array): Record<string, unknown> {
  return JSON.parse(reader.decode(message.subarray(1))) as Record<string, unknown>;
}

function sizeAt(view: DataView): { offset: number; rows: number; cols: number } {
  return { offset: offsetAt(view), rows: view.getUint16(9), cols: view.getUint16(11) };
}

/** Offsets are exact up to 2^53: eight petabytes of output. */
function offsetAt(view: DataView): number {
  return Number(view.getBigUint64(1));
}

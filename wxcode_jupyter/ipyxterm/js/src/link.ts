/** What carries frames: a WebSocket of the page, or one of the kernel (kernel.ts). Each connects once. */

import { PROTOCOL } from "./frames.ts";

export interface Link {
  /** Send a frame; without effect once it is closed. */
  send(frame: Uint8Array): void;
  /** Close; nothing is told any more. */
  close(): void;
}

/** What a link tells: `opened` once at most, then frames in their order, `closed` once at most and last. */
export interface Listener {
  opened(): void;
  received(frame: Uint8Array): void;
  closed(code: number, reason: string): void;
  /** Why it is slow; "" when it is well again. */
  told(notice: string): void;
}

export interface Way {
  /** What users should know of a terminal that is reached like this; "" for nothing. */
  readonly remark: string;
  /** Whether long silence is no sign of its end. */
  readonly isPatient: boolean;
  /** How many bytes the server may send ahead of what has been drawn. */
  readonly window: number;
  open(listener: Listener): Link;
}

/** Straight from the page. */
export function socketWay(url: string): Way {
  return { remark: "", isPatient: false, window: 512 * 1024, open: (listener) => openSocket(url, listener) };
}

function openSocket(url: string, listener: Listener): Link {
  const socket = new WebSocket(url, [PROTOCOL]);
  socket.binaryType = "arraybuffer";
  let listening = true;
  socket.onopen = () => listening && listener.opened();
  socket.onmessage = ({ data }) => {
    if (listening && data instanceof ArrayBuffer) listener.received(new Uint8Array(data));
  };
  socket.onclose = ({ code, reason }) => {
    if (listening) listener.closed(code, reason);
    listening = false;
  };
  return {
    send(frame) {
      if (socket.readyState === WebSocket.OPEN) socket.send(frame as Uint8Array<ArrayBuffer>);
    },
    close() {
      listening = false;
      socket.close();
    },
  };
}

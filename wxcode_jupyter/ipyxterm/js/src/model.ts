/** As much of anywidget's model as is needed. */
export interface Model {
  get(name: string): unknown;
  on(event: string, take: (...told: never[]) => void): void;
  off(event: string, take: (...told: never[]) => void): void;
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
}

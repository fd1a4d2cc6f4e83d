// The REST API of the server that this page comes from, asked with the page's own cookie.

const API = new URL("../../wxcode/api/v1/", import.meta.url);
const PATIENCE_MS = 10_000;

/** A refusal: the server's own words, and its slug (`reason`), which no other server's 404 has. */
export class Refused extends Error {
  constructor(status, { message, reason }) {
    super(message || `The server answered ${status}.`);
    this.status = status;
    this.reason = reason ?? null;
  }
}

/** GET a path. Throws `Refused`, or `TypeError`, `TimeoutError` and the like where no answer comes. */
export function get(path) {
  const url = new URL(path, API);
  url.searchParams.set("no_track_activity", "1"); // an open tab is no work: Jupyter may cull a server that idles
  return ask(url, { signal: AbortSignal.timeout(PATIENCE_MS) });
}

/** POST a body, for as long as it takes. Throws as `get`. */
export function post(path, body) {
  const xsrf = document.cookie.match(/(?:^|;\s*)_xsrf=([^;]*)/)?.[1] ?? "";
  return ask(new URL(path, API), {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-XSRFToken": xsrf },
    body: JSON.stringify(body),
  });
}

async function ask(url, options) {
  const response = await fetch(url, { credentials: "same-origin", cache: "no-store", ...options });
  if (response.ok) return response.json();
  throw new Refused(response.status, await response.json().catch(() => ({}))); // a proxy's error page is no JSON
}

// One poll per project, whatever the number of its cards on the page.

import { get, Refused } from "./api.js";

const PERIOD_MS = 2_000;
const HIDDEN_PERIOD_MS = 15_000; // of a tab that nobody looks at
const ID = /^[0-9a-f]{24}$/;
const feeds = new Map();

/**
 * Tell a card what is new, now and from time to time, until the function that is returned is called.
 *
 * A card has `wanted()`: the ids of the commands and milestones that it needs, `{commands: [], milestones: []}`, and
 * - `show(news)`: `{server, session, questions, commands: Map, milestones: Map}`, as REST has them; `server` is a pid;
 * - `miss(error)`: nothing is known now, a `Refused` or what `fetch` throws; the next `show` may come all the same.
 */
export function follow(projectId, card) {
  if (!ID.test(projectId)) throw new Error(`${projectId} is no id`);
  if (!feeds.has(projectId)) feeds.set(projectId, new Feed(projectId));
  const feed = feeds.get(projectId);
  feed.add(card);
  return () => feed.remove(card);
}

/** Look at once, for what has just been changed from here. */
export function refresh(projectId) {
  feeds.get(projectId)?.look();
}

class Feed {
  #cards = new Set();
  #looking = false;
  #timer = null;

  constructor(projectId) {
    this.projectId = projectId;
    document.addEventListener("visibilitychange", () => document.hidden || this.look());
  }

  add(card) {
    this.#cards.add(card);
    this.look();
  }

  remove(card) {
    this.#cards.delete(card);
  }

  async look() {
    if (this.#looking || !this.#cards.size) return;
    this.#looking = true;
    clearTimeout(this.#timer);
    const { news, error } = await this.#ask().then((news) => ({ news }), (error) => ({ error }));
    this.#looking = false;
    this.#timer = setTimeout(() => this.look(), document.hidden ? HIDDEN_PERIOD_MS : PERIOD_MS);
    for (const card of [...this.#cards]) news ? card.show(news) : card.miss(error);
  }

  async #ask() {
    const project = `output-projects/${this.projectId}`;
    const wanted = [...this.#cards].map((card) => card.wanted());
    const [info, session, { questions }, commands, milestones] = await Promise.all([
      get("info"), // each time: a server that was started again has another pid
      get(`${project}/session`),
      get(`${project}/questions?limit=1000`),
      each("commands", wanted.flatMap((want) => want.commands)),
      each("milestones", wanted.flatMap((want) => want.milestones)),
    ]);
    return { server: info.pid, session, questions, commands, milestones };
  }
}

/** Return what these ids have, those that are there no more left out. */
async function each(kind, ids) {
  const unique = [...new Set(ids)].filter((id) => ID.test(id));
  const found = await Promise.all(unique.map((id) => get(`${kind}/${id}`).catch(missing)));
  return new Map(unique.map((id, place) => [id, found[place]]).filter(([, value]) => value));
}

function missing(error) {
  if (error instanceof Refused && error.status === 404) return null;
  throw error;
}

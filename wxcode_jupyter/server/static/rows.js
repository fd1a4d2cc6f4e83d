// What a card says at a moment: the same rows as `results.py` writes, from what REST has.

import { clock } from "./view.js";

const MESSAGE_LIMIT = 600;
const FINAL = ["completed", "failed", "interrupted"];
const OPEN_OUTCOMES = ["asks", "limited"]; // completed, and not done
const LIVE = ["starting", "attention", "idle", "busy", "waiting"];

/** Whether nothing can change any more, of a command. */
export function isFinal(command) {
  return FINAL.includes(command.status);
}

/** The word of a command's badge. */
export function commandWord(command) {
  return OPEN_OUTCOMES.includes(command.outcome) ? command.outcome : command.status;
}

/** The rows of a command, and of the session as long as it works on it. */
export function workRows(command, session) {
  const rows = [["status", command.outcome ? `${command.status}, ${command.outcome}` : command.status]];
  if (command.error) rows.push(["error", command.error]);
  if (command.last_message) rows.push(["Claude said", cut(command.last_message)]);
  if (isFinal(command)) return rows;
  if (session.queued) rows.push(["queued", String(session.queued)]);
  rows.push(["session", session.state]);
  return [...rows, ...needed(session)];
}

/** The rows of a session. */
export function sessionRows(session) {
  const rows = [["conversation", session.claude_session_id ?? "none yet"]];
  if (LIVE.includes(session.state)) rows.push(["process", `${session.pid}, since ${clock(session.started_at)}`]);
  if (session.queued) rows.push(["queued", String(session.queued)]);
  return [...rows, ...needed(session)];
}

/** What the terminal shows, where somebody has to look at it. */
export function shownScreen(session) {
  const shown = session.attention?.screen ?? (session.exit_code ? session.screen : "") ?? "";
  return shown.replace(/\n(?:[^\S\n]*\n){2,}/g, "\n\n").replace(/^\n+|\n+$/g, "");
}

/** What to do about how a command has ended. */
export function outcomeNotes(command) {
  if (command.outcome === "asks") return ["Claude ended its turn with a question: answer it with %wxmilestone send."];
  if (command.outcome !== "limited") return [];
  const until = command.resets_at ? `; it resets at ${clock(command.resets_at)}` : "";
  return [`A usage limit was reached${until}.`];
}

function needed(session) {
  const message = session.attention?.message ?? session.message;
  return message ? [[LIVE.includes(session.state) ? "needs you" : "reason", message]] : [];
}

function cut(text) {
  return text.length > MESSAGE_LIMIT ? `${text.slice(0, MESSAGE_LIMIT)}…` : text;
}

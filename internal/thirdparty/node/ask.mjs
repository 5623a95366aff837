// A person at a browser is whoever has started the script: it is told what to open, and says where the browser was sent in the end.
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Has an address opened in the browser and returns the address that the browser left for. */
export async function open(address) {
  console.log(JSON.stringify({ open: String(address) }));
  const { value } = await lines.next();
  return new URL(value);
}

/** Ends the script with what it has found out. */
export function done(found) {
  console.log(JSON.stringify({ done: found }));
  process.exit(0);
}

/** Returns the error that a call ends in: its status and its code. */
export async function refused(call) {
  try {
    await call();
  } catch (e) {
    return `${e.status} ${e.error ?? e.cause?.[0]?.parameters?.error ?? e.code}`;
  }
  return "nothing: it was accepted";
}

import { readdirSync, readFileSync } from "node:fs";

/** Processes of this machine that sleep for so many seconds; those of the daemon's containers are among them. */
export function countProcesses(seconds: string): number {
  const ids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return ids.filter((id) => readCommand(id) === `sleep\0${seconds}\0`).length;
}

function readCommand(id: string): string {
  try {
    return readFileSync(`/proc/${id}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

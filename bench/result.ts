import { mkdir, writeFile } from "node:fs/promises";
import { cpus, release, totalmem, type } from "node:os";
import type { Comparison, Spread } from "./alternate.ts";

/**
 * One thing measured beside its peer. `bar` is the largest ratio that is good enough, or, where `barIs` says so, the
 * largest value of ours.
 */
export interface Row {
  readonly what: string;
  readonly ours: Spread;
  readonly peer: Spread;
  readonly unit: string;
  readonly ratio: number;
  readonly bar: number;
  readonly barIs?: "value";
  readonly holds: boolean;
}

/** What a bench is: measured on this machine, told as rows. */
export interface Bench {
  readonly about: string;
  run(options: { tell(text: string): void; signal: AbortSignal }): Promise<readonly Row[]>;
}

/** Holds a comparison against its bar. */
export function createRow(what: string, compared: Comparison, { unit, bar }: { unit: string; bar: number }): Row {
  return { what, ...compared, unit, bar, holds: compared.ratio <= bar };
}

/** Holds our own value against a bar, whatever the peer's is. */
export function createLimitRow(what: string, compared: Comparison, { unit, bar }: { unit: string; bar: number }): Row {
  return { what, ...compared, unit, bar, barIs: "value", holds: compared.ours.median <= bar };
}

/** The rows as an aligned table. */
export function drawTable(rows: readonly Row[]): string {
  const head = ["", "ours", "(min–max)", "peer", "(min–max)", "ratio", "bar", ""];
  const cells = rows.map(({ what, ours, peer, unit, ratio, bar, barIs, holds }) => [
    what,
    `${ours.median.toFixed(2)} ${unit}`,
    `(${ours.min.toFixed(2)}–${ours.max.toFixed(2)})`,
    `${peer.median.toFixed(2)} ${unit}`,
    `(${peer.min.toFixed(2)}–${peer.max.toFixed(2)})`,
    ratio.toFixed(2),
    barIs === "value" ? `≤ ${bar} ${unit}` : `≤ ${bar.toFixed(2)}`,
    holds ? "holds" : "MISSED",
  ]);
  const table = [head, ...cells];
  const widths = head.map((_, column) => Math.max(...table.map((line) => line[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  ");
  return `${table.map((row) => line(row).trimEnd()).join("\n")}\n`;
}

/** Writes the rows to FOLDER/NAME.json; medians only, as later runs are compared by them. */
export async function writeResult(
  name: string,
  rows: readonly Row[],
  { folder, now }: { folder: URL; now: Date },
): Promise<void> {
  const round = (value: number) => Number(value.toFixed(3));
  const told = rows.map((row) => ({
    ...row,
    ours: round(row.ours.median),
    peer: round(row.peer.median),
    ratio: round(row.ratio),
    spread: { ours: [row.ours.min, row.ours.max].map(round), peer: [row.peer.min, row.peer.max].map(round) },
  }));
  await mkdir(folder, { recursive: true });
  const result = { date: now.toISOString(), machine: machine(), rows: told };
  await writeFile(new URL(`${name}.json`, folder), `${JSON.stringify(result, null, 2)}\n`);
}

function machine(): string {
  const model = cpus()[0]?.model.trim() ?? "unknown CPU";
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} × ${model}, ${memory} GiB, ${type()} ${release()}, Node ${process.versions.node}`;
}

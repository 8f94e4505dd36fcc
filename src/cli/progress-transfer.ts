import { formatBytes } from "./progress-numbers.ts";
import type { Step } from "./progress-state.ts";

/** What a step moves now, the parts of one kind as one: of layers that come and go no line would stand still. */
interface Moved {
  /** What it does, for people, such as "downloading". */
  readonly word: string;
  readonly current: number;
  /** 0 = unknown. */
  readonly total: number;
  /** Bytes a second since it began, 0 until there is something to tell. */
  readonly rate: number;
}

/** What BuildKit calls its transfers, and the word for people. */
const transferWords: readonly (readonly [RegExp, string])[] = [
  [/^transferring (\S+?):?$/, "uploading $1"],
  [/^extracting sha256:.*$/, "extracting"],
  [/^pushing sha256:.*$/, "pushing"],
  [/^sha256:.*$/, "downloading"],
  [/^(exporting \S+|pushing manifest|resolve) .*$/, "$1"],
];
const barCells = 12;
const bytesWidth = "999.9 kB".length;
/** Before this a rate is no more than a guess. */
const steadyMs = 500;

/** What a step moves in few words: "downloading 2 MB / 8 MB"; "" where it moves nothing. */
export function transferText(step: Step): string {
  const { word, current, total } = movedBy(step, 0);
  if (current <= 0 && total <= 0) return word;
  return total > current
    ? `${word} ${formatBytes(current)} / ${formatBytes(total)}`
    : `${word} ${formatBytes(current)}`;
}

/**
 * What a step moves, from the longest text, with a bar and the rate, to the shortest; each as wide from frame to frame,
 * or what stands before it would jump.
 * @param now milliseconds of our clock
 */
export function transferTexts(step: Step, now: number): readonly string[] {
  const { word, current, total, rate } = movedBy(step, now);
  if (current <= 0 && total <= 0) return word === "" ? [] : [word];
  const known = total > current ? total : 0;
  const bytes = known > 0 ? `${widely(current)} / ${formatBytes(known)}` : widely(current);
  const bar = known > 0 ? `${drawBar(current / known)} ` : "";
  const speed = `${rate > 0 ? widely(rate) : " ".repeat(bytesWidth)}${rate > 0 ? "/s" : "  "}`;
  return [`${word} ${bar}${bytes} ${speed}`, `${bar}${bytes} ${speed}`, `${bytes} ${speed}`, bytes];
}

function movedBy({ transfers }: Step, now: number): Moved {
  const all = [...transfers.values()].map((transfer) => ({ ...transfer, word: wordOf(transfer.id) }));
  const underWay = all.filter(({ isDone }) => !isDone);
  const word = (underWay.find((transfer) => transfer.total > 0) ?? underWay[0])?.word ?? "";
  const alike = word === "" ? [] : all.filter((transfer) => transfer.word === word);
  const current = alike.reduce((sum, transfer) => sum + transfer.current, 0);
  const total = alike.reduce((sum, transfer) => sum + transfer.total, 0);
  const elapsedMs = now - Math.min(...alike.map(({ beganAt }) => beganAt));
  return { word, current, total, rate: elapsedMs >= steadyMs ? (current * 1000) / elapsedMs : 0 };
}

function wordOf(id: string): string {
  const known = transferWords.find(([pattern]) => pattern.test(id));
  return known ? id.replace(known[0], known[1]) : id;
}

function widely(bytes: number): string {
  return formatBytes(bytes).padStart(bytesWidth);
}

/** Filled cells are full blocks: they are told from the rest without colours, too. */
function drawBar(share: number): string {
  const filled = Math.floor(barCells * Math.min(1, share));
  return "█".repeat(filled) + "░".repeat(barCells - filled);
}

import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { namesIn, scanFolder } from "./folder-scan.ts";
import { claim, type ScanJob, type ScanResult } from "./scan-ahead.ts";

/** What is scanned ahead of one job takes memory until its turn has come. */
const maxEntries = 32_768;

/** The thread of scan-ahead: it begins at the end, as whoever asks begins with what comes first. */
function serve(port: MessagePort): void {
  const jobs: { readonly job: ScanJob; next: number; room: number }[] = [];
  const take = (job: ScanJob) => void jobs.push({ job, next: job.paths.length - 1, room: maxEntries });
  port.on("message", (first: ScanJob) => {
    take(first);
    for (let newest = jobs.at(-1); newest; newest = jobs.at(-1)) {
      if (newest.next < 0 || newest.room < 0) jobs.pop();
      else newest.room -= scanOne(port, newest.job, newest.next--);
      // What was asked for last is needed first.
      for (let more = receiveMessageOnPort(port); more; more = receiveMessageOnPort(port)) take(more.message);
    }
  });
}

/** Answers how many entries were found. */
function scanOne(port: MessagePort, job: ScanJob, index: number): number {
  const scan = claim(job, index) ? scanFolder(job.paths[index] ?? "", job.links) : undefined;
  if (!scan) return 0;
  const result: ScanResult = { job: job.id, index, scan };
  const entries = namesIn(scan).length;
  port.postMessage(result, [scan.stats.buffer]);
  return entries;
}

serve(workerData);

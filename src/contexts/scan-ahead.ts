import type { FolderScan } from "./folder-scan.ts";

/** Folders that another thread may scan while this one is busy with others. */
export interface ScanJob {
  readonly id: number;
  readonly paths: readonly string[];
  readonly links: "keep" | "resolve";
  /** One for each path: 0 until somebody has begun with it. */
  readonly claims: Int32Array<SharedArrayBuffer>;
}

export interface ScanResult {
  readonly job: number;
  readonly index: number;
  readonly scan: FolderScan;
}

/** Lets a walk of many folders be done by two threads. */
export interface ScanAhead {
  /** Tells that folders will be listed soon, in this order, as long as the answer is not disposed of. */
  expect(paths: readonly string[]): Disposable;
  /** Answers what was scanned ahead, once; undefined where the caller is to look himself. */
  take(path: string): FolderScan | undefined;
  /** Tells that so many entries more were listed. */
  listed(entries: number): void;
}

/** Of a smaller context nothing is worth asking for. */
const entriesBeforeAsking = 256;
/** Until a thread has started, and knows its work, this one is through with as many of the larger contexts. */
const entriesBeforeStarting = 32_768;
/** The thread takes some megabytes. */
const maxIdleMs = 30_000;

/** What the contexts of this process that are not small have listed since there was a thread. */
let entriesOfLarge = 0;

interface Job extends ScanJob {
  readonly scans: Map<number, FolderScan>;
}

/** Creates what one context scans ahead with; the thread is one for all of the process. */
export function createScanAhead(links: "keep" | "resolve"): ScanAhead {
  const expected = new Map<string, { readonly job: Job; readonly index: number }>();
  const unasked = new Set<Job>();
  let entries = 0;
  const ask = () => {
    if (unasked.size === 0 || entries < entriesBeforeAsking) return;
    if (!thread && entriesOfLarge >= entriesBeforeStarting) thread = tryThread();
    if (!thread) return;
    for (const job of unasked) thread.ask(job);
    unasked.clear();
  };
  return {
    expect(paths) {
      const job = createJob(paths, links);
      unasked.add(job);
      for (const [index, path] of paths.entries()) expected.set(path, { job, index });
      ask();
      return {
        [Symbol.dispose]() {
          unasked.delete(job);
          thread?.leave(job);
          for (const path of paths) if (expected.get(path)?.job === job) expected.delete(path);
        },
      };
    },
    take(path) {
      const { job, index } = expected.get(path) ?? {};
      if (job === undefined || index === undefined) return undefined;
      expected.delete(path);
      return claim(job, index) ? undefined : thread?.result(job, index);
    },
    listed(more) {
      entries += more;
      if (entries >= entriesBeforeAsking) entriesOfLarge += more;
      ask();
    },
  };
}

let lastId = 0;

function createJob(paths: readonly string[], links: "keep" | "resolve"): Job {
  const claims = new Int32Array(new SharedArrayBuffer(paths.length * Int32Array.BYTES_PER_ELEMENT));
  return { id: ++lastId, paths, links, claims, scans: new Map() };
}

/** True for the first who begins with a folder. */
export function claim({ claims }: ScanJob, index: number): boolean {
  return Atomics.compareExchange(claims, index, 0, 1) === 0;
}

interface Thread {
  ask(job: Job): void;
  result(job: Job, index: number): FolderScan | undefined;
  leave(job: Job): void;
}

let thread: Thread | undefined;

/** Where there can be no thread each folder is scanned when it is its turn. */
function tryThread(): Thread | undefined {
  entriesOfLarge = 0;
  try {
    return startThread();
  } catch {
    return undefined;
  }
}

function startThread(): Thread {
  // Loaded late: it takes milliseconds, and few contexts are that large.
  const { MessageChannel, receiveMessageOnPort, Worker } = process.getBuiltinModule("node:worker_threads");
  const { port1: port, port2 } = new MessageChannel();
  const worker = new Worker(threadFile, { workerData: port2, transferList: [port2] });
  worker.unref();
  worker.on("error", () => {});
  const idle = setTimeout(() => {
    thread = undefined;
    void worker.terminate();
  }, maxIdleMs);
  idle.unref();
  const jobs = new Map<number, Job>();
  /** Messages are looked for, not waited for: a walk hardly ever returns to the event loop. */
  const collect = () => {
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) {
      const { job, index, scan }: ScanResult = next.message;
      jobs.get(job)?.scans.set(index, scan);
    }
  };
  return {
    ask(job) {
      const { id, paths, links, claims } = job;
      jobs.set(id, job);
      idle.refresh();
      port.postMessage({ id, paths, links, claims } satisfies ScanJob);
    },
    result({ scans }, index) {
      collect();
      const scan = scans.get(index);
      scans.delete(index);
      return scan;
    },
    leave({ id, claims }) {
      if (!jobs.delete(id)) return;
      claims.fill(1);
      collect();
    },
  };
}

/** Bundled or not, what holds this lies two folders deep. */
const threadFile = new URL(`../../src/contexts/scan-thread${import.meta.url.slice(-3)}`, import.meta.url);

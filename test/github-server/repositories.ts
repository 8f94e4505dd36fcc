import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import type { Fault } from "./faults.ts";

/** A file of a commit: its content, or that with a mode (`100755`, `120000` for a link); null removes it. */
export type CommittedFile = string | Buffer | { content: string | Buffer; mode: "100644" | "100755" | "120000" } | null;
export type CommittedFiles = Readonly<Record<string, CommittedFile>>;

export interface Commit {
  readonly files: CommittedFiles;
  readonly branch?: string;
  readonly message?: string;
  /** Unix seconds. */
  readonly time?: number;
}

const environment = { ...process.env, GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null", HOME: "/nonexistent" };

/** Makes a bare repository. */
export async function initRepository(folder: string, branch: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await git(folder, ["init", "--quiet", "--bare", `--initial-branch=${branch}`, "."]);
}

/** Adds a commit on top of a branch, and answers its name. */
export async function commitTo(folder: string, { files, branch = "master", message, time }: Commit): Promise<string> {
  const parent = await git(folder, ["rev-parse", "--verify", "--quiet", `refs/heads/${branch}`]).catch(() => "");
  const seconds = time ?? Math.floor(Date.now() / 1000);
  const author = `Codertocat <codertocat@example.com> ${seconds} +0000`;
  const stream = [
    `commit refs/heads/${branch}\nauthor ${author}\ncommitter ${author}\n`,
    ...data(message ?? "change"),
    parent ? `from ${parent.trim()}\n` : "",
    ...Object.entries(files).flatMap(([path, file]) => change(path, file)),
    "\n",
  ];
  await git(folder, ["fast-import", "--quiet", "--force"], Buffer.concat(stream.map((part) => Buffer.from(part))));
  return (await git(folder, ["rev-parse", `refs/heads/${branch}`])).trim();
}

/** The commit that a ref names; undefined where there is none. */
export async function commitOf(
  folder: string,
  ref: string,
): Promise<{ sha: string; time: number; message: string } | undefined> {
  const text = await git(folder, ["log", "-1", "--format=%H %ct %B", ref, "--"]).catch(() => "");
  const [, sha = "", time = "", message = ""] = /^(\w+) (\d+) (.*)$/s.exec(text.trim()) ?? [];
  return sha === "" ? undefined : { sha, time: Number(time), message };
}

/** The branches of a repository by name, with the commits that they stand for. */
export async function headsOf(folder: string): Promise<readonly { name: string; sha: string }[]> {
  const lines = await git(folder, ["for-each-ref", "--format=%(objectname) %(refname:strip=2)", "refs/heads"]);
  return lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => ({ sha: line.slice(0, line.indexOf(" ")), name: line.slice(line.indexOf(" ") + 1) }));
}

/** Lets a ref name a commit. */
export async function setRef(folder: string, { ref, sha }: { ref: string; sha: string }): Promise<void> {
  await git(folder, ["update-ref", ref, sha]);
}

/** Serves a bare repository over smart HTTP, by git itself, or fails at it. */
export async function serveGit(
  request: IncomingMessage,
  response: ServerResponse,
  { root, path, query, fault }: { root: string; path: string; query: string; fault: Fault | undefined },
): Promise<void> {
  if (fault && fault.kind !== "lost-answer") return fail(response, fault);
  const child = spawn("git", ["http-backend"], {
    stdio: ["pipe", "pipe", "ignore"],
    env: {
      ...environment,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: path,
      QUERY_STRING: query,
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      ...(request.headers["content-length"] && { CONTENT_LENGTH: request.headers["content-length"] }),
      HTTP_CONTENT_ENCODING: String(request.headers["content-encoding"] ?? ""),
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
      REMOTE_ADDR: "127.0.0.1",
    },
  });
  child.stdin.on("error", () => {});
  request.pipe(child.stdin);
  response.on("close", () => child.kill());
  await relayCgi(child.stdout, response, { isCut: fault !== undefined });
}

function fail(response: ServerResponse, fault: Fault): void {
  if (fault.kind === "cut") response.destroy();
  if (fault.kind === "status") response.writeHead(fault.status, fault.headers).end(fault.message);
  if (fault.kind === "secondary-limit")
    response.writeHead(429, { "retry-after": String(fault.retryAfterSeconds) }).end();
}

/** Whether a repository holds a commit of this full name. */
export async function hasCommit(folder: string, sha: string): Promise<boolean> {
  return git(folder, ["cat-file", "-e", `${sha}^{commit}`]).then(
    () => true,
    () => false,
  );
}

async function relayCgi(
  output: NodeJS.ReadableStream,
  response: ServerResponse,
  { isCut }: { isCut: boolean },
): Promise<void> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of output as AsyncIterable<Buffer>) {
    if (!head) {
      response.write(chunk);
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) continue;
    const headers = head.toString("latin1", 0, end).split("\r\n").map(splitHeader);
    const status = headers.find(([name]) => name === "Status")?.[1] ?? "200";
    response.writeHead(Number.parseInt(status, 10), Object.fromEntries(headers.filter(([name]) => name !== "Status")));
    const body = head.subarray(end + 4);
    // Whoever asked knows by then that it is to go on.
    if (isCut) return void response.write(body.subarray(0, body.length / 2), () => response.destroy());
    response.write(body);
    head = undefined;
  }
  response.end();
}

function splitHeader(line: string): [string, string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}

function change(path: string, file: CommittedFile): (string | Buffer)[] {
  if (file === null) return [`D ${quote(path)}\n`];
  const { content, mode } =
    typeof file === "string" || Buffer.isBuffer(file) ? { content: file, mode: "100644" } : file;
  return [`M ${mode} inline ${quote(path)}\n`, ...data(content)];
}

function data(content: string | Buffer): (string | Buffer)[] {
  return [`data ${Buffer.byteLength(content)}\n`, content, "\n"];
}

function quote(path: string): string {
  return `"${path.replaceAll(/["\\]/g, "\\$&").replaceAll("\n", "\\n")}"`;
}

async function git(folder: string, args: readonly string[], input?: Buffer): Promise<string> {
  const child = spawn("git", args, { cwd: folder, env: environment });
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  const [output, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (code !== 0) throw new Error(`git ${args[0]} ended with ${code}: ${errors}`);
  return output;
}

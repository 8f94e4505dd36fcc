import { stripVTControlCharacters } from "node:util";
import { BuilderError, type ErrorCode, type Fault } from "../errors.ts";
import type { Status } from "./generated/rpc-status.ts";
import { status } from "./grpc-status.ts";
import type { FailedStep } from "./progress.ts";
import { readDetails, type SolveDetails } from "./solve-details.ts";

/** What a failed build leaves for whoever shows it in full; the cause of the error that people see. */
export class StepFailure extends Error {
  override readonly name = "StepFailure";
  /** The step as BuildKit names it, "" where the build failed before any. */
  readonly step: string;
  readonly exitCode: number | undefined;
  /** The last lines that the step printed. */
  readonly lines: readonly string[];

  constructor(message: string, details: { step: string; exitCode: number | undefined; lines: readonly string[] }) {
    super(message);
    this.step = details.step;
    this.exitCode = details.exitCode;
    this.lines = details.lines;
  }
}

interface Kind {
  readonly code: ErrorCode;
  readonly pattern: RegExp;
  readonly say: (match: RegExpExecArray) => string;
}

/** BuildKit's texts have no codes: what they mean is read from their words, most exact first. */
const kinds: readonly Kind[] = [
  {
    code: "registry_denied",
    pattern:
      /failed to authorize|401 Unauthorized|403 Forbidden|authorization failed|no basic auth credentials|denied:|: unauthorized: /u,
    say: ({ input }) => `the registry refuses: ${input}`,
  },
  {
    code: "registry_unreachable",
    pattern: /failed to do request: (?:.*": )?(?<reason>(?:dial|read|write|http|net|tls|EOF|context deadline).*)$/su,
    say: ({ input, groups }) => `the registry of ${imageIn(input)} does not answer: ${groups?.reason}`,
  },
  {
    code: "registry_unreachable",
    pattern: /unexpected status.*: (?:429|5\d\d) |toomanyrequests:/u,
    say: ({ input }) => `the registry fails: ${input}`,
  },
  // Whatever else keeps an image from being pushed, such as a repository that has to be made first, or a full quota.
  { code: "registry_denied", pattern: /failed to push /u, say: ({ input }) => `the registry refuses: ${input}` },
  {
    code: "build_failed",
    pattern: /failed to resolve source metadata for (?<image>\S+): .*not found$/su,
    say: ({ groups }) => `base image "${groups?.image}" does not exist`,
  },
  {
    code: "build_failed",
    pattern: /failed to calculate checksum of ref \S+: (?<path>".*"): not found$/su,
    say: ({ groups }) => `${groups?.path} is not in the build context (is it named in .dockerignore?)`,
  },
  { code: "buildkit_refused", pattern: /^(?:unknown service|no local sources enabled)/u, say: ({ input }) => input },
];

/** What to do about a registry, where its code's general advice, which is for pushes, does not fit; first match wins. */
const fixes: readonly { readonly code: ErrorCode; readonly pattern: RegExp; readonly fix: string }[] = [
  {
    code: "registry_unreachable",
    pattern: /server gave HTTP response to HTTPS client/u,
    fix: "That registry speaks plain HTTP: set insecure, or http = true for it in buildkitd.toml.",
  },
  {
    code: "registry_unreachable",
    pattern: /x509:|certificate/u,
    fix: "Have BuildKit trust who signs that registry's certificate: ca = [...] for it in buildkitd.toml.",
  },
  {
    code: "registry_unreachable",
    pattern: /failed to resolve source metadata for|failed to copy/u,
    fix: "See that BuildKit reaches that registry: network, proxy, mirrors of buildkitd.toml.",
  },
  {
    code: "registry_denied",
    pattern: /failed to resolve source metadata for|failed to copy|pull access denied/u,
    fix: "Give the builder's config.json an account that may pull the image, or correct its name.",
  },
];

/** BuildKit's guess, behind whatever else it says, where the name of an image is much like that of a stage. */
const stageGuess = /^(?<text>.*failed to resolve source metadata for .*) \(did you mean (?<stage>[^()]+)\?\)$/su;

const maxShown = 300;

/**
 * Says a failed Solve so that a person can act on it: its places in the files of the build are the error's faults, with
 * the lines that BuildKit itself sends, the first one also its location.
 * @param failed the steps that failed, as the progress told
 */
export function describeFailure(failure: Status, failed: readonly FailedStep[]): BuilderError {
  const details = readDetails(failure);
  const step = failed.find(({ digest }) => digest === details.step) ?? failed.at(-1);
  const { exitCode, sources } = details;
  const name = step === undefined ? "" : stepName(step.name);
  const cause = new StepFailure(failure.message, { step: name, exitCode, lines: step?.lines ?? [] });
  const { code, message, fix } = readFailure(failure, { details, name, step });
  const location = sources[0]?.location;
  const faults = sources.map((source): Fault => ({ message, ...source }));
  return new BuilderError(code, message, {
    cause,
    faults,
    ...(fix !== undefined && { fix }),
    ...(location && { location }),
  });
}

interface Meaning {
  readonly code: ErrorCode;
  readonly message: string;
  /** Undefined where the code's general advice fits. */
  readonly fix?: string | undefined;
}

function readFailure(
  failure: Status,
  { details, name, step }: { details: SolveDetails; name: string; step: FailedStep | undefined },
): Meaning {
  // A RUN's message repeats its command, which may say anything: only its exit code counts.
  if (isProcess(failure, details))
    return { code: "build_failed", message: processMessage({ name, exitCode: details.exitCode, step }) };
  const { text = failure.message, stage } = stageGuess.exec(failure.message)?.groups ?? {};
  for (const { code, pattern, say } of kinds) {
    const match = pattern.exec(text);
    if (match === null) continue;
    const known = fixes.find((each) => each.code === code && each.pattern.test(text))?.fix;
    const fix = stage === undefined ? known : `If a stage of the Dockerfile is meant, it is called "${shown(stage)}".`;
    return { code, message: shown(say(match)), fix };
  }
  const code = failure.code === status.UNAVAILABLE ? "buildkit_unreachable" : "build_failed";
  return { code, message: shown(failure.message) };
}

function isProcess(failure: Status, { exitCode }: SolveDetails): boolean {
  return exitCode !== undefined || /^process ".*" did not complete successfully/su.test(failure.message);
}

/** What a step said last tells more than the end of its command, and GitHub shows 140 characters of both. */
const maxStepName = 44;

function processMessage(run: { name: string; exitCode: number | undefined; step: FailedStep | undefined }): string {
  const end = run.exitCode === undefined ? "failed" : `ended with exit code ${run.exitCode}`;
  const last = run.step?.lines.at(-1);
  const name = run.name.length > maxStepName ? `${run.name.slice(0, maxStepName - 1)}…` : run.name;
  return shown(`step "${name}" ${end}${last === undefined ? "" : `: ${last}`}`);
}

/** A step's first line without its number, "[2/3] RUN make" -> "RUN make". */
function stepName(name: string): string {
  const [line = ""] = name.replace(/^\[[^\]]*\] /u, "").split("\n");
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
}

/** The image that a text of BuildKit's is about, as far as it says. */
function imageIn(text: string): string {
  const found = /failed to (?:resolve source metadata for|push) (?<image>[^\s:]+(?::\d+)?[^\s:]*(?::[^\s:]+)?)/u.exec(
    text,
  );
  return found === null ? "the image" : `"${found.groups?.image}"`;
}

/** One line, without what would steer a terminal. */
function shown(text: string): string {
  const line = stripVTControlCharacters(text)
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, " ")
    .trim();
  return line.length > maxShown ? `${line.slice(0, maxShown - 1)}…` : line;
}

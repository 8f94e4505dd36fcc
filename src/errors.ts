/**
 * Every known fault, with what the outside world is told of it:
 * - `http`: the status of the answer when a request caused it;
 * - `state`: what GitHub shows (`failure`: the push is to blame; `error`: the installation is);
 * - `transient`: the same work may succeed a little later, so it is tried again;
 * - `fix`: what a person can do about it.
 */
const faults = {
  signature_missing: {
    http: 401,
    state: "error",
    transient: false,
    fix: "Send X-Hub-Signature-256: sha256=<HMAC of the body>.",
  },
  signature_wrong: { http: 401, state: "error", transient: false, fix: "Use the same secret on both sides." },
  token_missing: { http: 401, state: "error", transient: false, fix: "Send Authorization: Bearer <token>." },
  token_wrong: { http: 401, state: "error", transient: false, fix: "Ask whoever runs the server for a token." },
  token_scope: { http: 403, state: "error", transient: false, fix: "Take a token that has the scope." },
  body_too_large: { http: 413, state: "error", transient: false, fix: "Send less." },
  body_invalid: { http: 400, state: "error", transient: false, fix: "Send what the documentation describes." },
  body_slow: { http: 408, state: "error", transient: true, fix: "Send the body without long pauses." },
  tar_invalid: { http: 400, state: "failure", transient: false, fix: "Make the archive with GNU tar or faas-cli." },
  too_busy: { http: 429, state: "error", transient: true, fix: "Try again in a minute." },
  not_configured: { http: 503, state: "error", transient: false, fix: "Set what is missing: see docs/settings.md." },
  stopping: { http: 503, state: "error", transient: true, fix: "Try again in a minute." },
  stack_missing: {
    http: 404,
    state: "failure",
    transient: false,
    fix: "Add a stack.yml to the root of the repository.",
  },
  stack_invalid: { http: 422, state: "failure", transient: false, fix: "Correct stack.yml." },
  template_unknown: {
    http: 422,
    state: "failure",
    transient: false,
    fix: "Name a template that this installation offers (setting custom_templates).",
  },
  path_forbidden: {
    http: 422,
    state: "failure",
    transient: false,
    fix: "Keep handlers, templates and links inside the repository.",
  },
  name_invalid: { http: 422, state: "failure", transient: false, fix: "Use lower-case letters, digits and dashes." },
  context_invalid: { http: 422, state: "failure", transient: false, fix: "Make the function's files readable." },
  build_failed: { http: 422, state: "failure", transient: false, fix: "Correct the step that failed." },
  output_failed: { http: 500, state: "error", transient: false, fix: "Make room, or name another place for it." },
  limit_exceeded: {
    http: 422,
    state: "failure",
    transient: false,
    fix: "Make the build shorter, or have the installation's limits raised.",
  },
  option_forbidden: {
    http: 403,
    state: "failure",
    transient: false,
    fix: "Leave it out: this installation does not allow it to builds.",
  },
  build_cancelled: { http: 499, state: "error", transient: false, fix: "Start the build again." },
  buildkit_unreachable: {
    http: 503,
    state: "error",
    transient: true,
    fix: "Start buildkitd, or correct buildkit_url.",
  },
  buildkit_refused: { http: 503, state: "error", transient: false, fix: "Check buildkitd's version and settings." },
  registry_unreachable: {
    http: 503,
    state: "error",
    transient: true,
    fix: "Start the registry, or correct push_repository_url.",
  },
  registry_denied: {
    http: 403,
    state: "error",
    transient: false,
    fix: "Give the builder's config.json the right to push there.",
  },
  checkout_failed: { http: 502, state: "error", transient: true, fix: "Check that the App may read the repository." },
  run_unknown: { http: 404, state: "error", transient: false, fix: "Look for its id among the pushes." },
  commit_gone: { http: 410, state: "error", transient: false, fix: "Nothing: a newer push has replaced the commit." },
  github_failed: { http: 502, state: "error", transient: true, fix: "Wait: GitHub does not answer as it should." },
  github_refused: {
    http: 502,
    state: "error",
    transient: false,
    fix: "Check the GitHub App's id, key and permissions, and where it is installed.",
  },
  database_unreachable: {
    http: 503,
    state: "error",
    transient: true,
    fix: "Start PostgreSQL, or correct DATABASE_URL.",
  },
  log_store_failed: {
    http: 503,
    state: "error",
    transient: true,
    fix: "Check log_store, and that the server may write there.",
  },
  builder_unreachable: {
    http: 502,
    state: "error",
    transient: true,
    fix: "Check the builder's address, and whether it runs.",
  },
  builder_refused: {
    http: 502,
    state: "error",
    transient: false,
    fix: "Check the payload secret, and the builder's address and log.",
  },
  setting_invalid: { http: 500, state: "error", transient: false, fix: "Correct the setting." },
  tool_missing: { http: 500, state: "error", transient: false, fix: "Run npm run tools." },
  usage: { http: 400, state: "error", transient: false, fix: "See --help." },
} as const satisfies Record<string, { http: number; state: "failure" | "error"; transient: boolean; fix: string }>;

export type ErrorCode = keyof typeof faults;

/** Lines of a file, which count from 1; without an end it is one line. */
export interface LineRange {
  readonly line: number;
  readonly endLine?: number;
}

/** Where in a person's file the fault is. Columns count from 1; `path` is relative to the repository. */
export interface Location extends LineRange {
  readonly path: string;
  readonly column?: number;
  /** All lines of the fault, where they do not follow each other: the first of these is the location's own. */
  readonly ranges?: readonly LineRange[];
}

/** One thing that is wrong with a person's file. Plain JSON: a terminal, a log and an annotation are drawn from it. */
export interface Fault {
  /** Without the place. */
  readonly message: string;
  readonly location: Location;
  /** The line itself, and below it a caret at the column. */
  readonly excerpt: string;
}

/** What an error may carry beside its message. */
interface Details {
  cause?: unknown;
  location?: Location;
  /** Everything that is wrong with the file, the one that the message tells first. */
  faults?: readonly Fault[];
  /** How many there are, where `faults` are not all of them. */
  faultCount?: number;
  /** What to do, where it is known better than the code's general advice. */
  fix?: string;
  /** How long whoever refused the work wants to be left alone. */
  retryAfterMs?: number;
}

/** A fault that we know and that people are told of by its message, without a stack. Anything else thrown is a bug. */
export class BuilderError extends Error {
  override readonly name = "BuilderError";
  readonly code: ErrorCode;
  readonly location: Location | undefined;
  readonly faults: readonly Fault[];
  readonly faultCount: number;
  readonly fix: string;
  /** How long to wait at least before trying again, where somebody has said so. */
  readonly retryAfterMs: number;

  constructor(code: ErrorCode, message: string, details: Details = {}) {
    const { cause, location, faults: found = [], faultCount = found.length, fix, retryAfterMs = 0 } = details;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.location = location;
    this.faults = found;
    this.faultCount = faultCount;
    this.fix = fix ?? faults[code].fix;
    this.retryAfterMs = retryAfterMs;
  }

  /** The same fault, told with more or other details; this one is its cause. */
  with({ message = this.message, ...details }: Details & { message?: string }): BuilderError {
    const { code, location, faults: known, faultCount, fix, retryAfterMs } = this;
    const kept = { ...(location && { location }), faults: known, faultCount, fix, retryAfterMs };
    return new BuilderError(code, message, { ...kept, cause: this, ...details });
  }

  get http(): number {
    return faults[this.code].http;
  }

  get state(): "failure" | "error" {
    return faults[this.code].state;
  }

  get transient(): boolean {
    return faults[this.code].transient;
  }
}

/** The message of anything thrown, for a log line or for a person. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

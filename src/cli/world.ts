/** What a command sees of the process it runs in. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
  readonly output: Terminal;
  readonly errors: Terminal;
}

interface Terminal extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** Exit codes that scripts may rely on. */
export const exitCodes = { success: 0, failed: 1, usage: 2 } as const;

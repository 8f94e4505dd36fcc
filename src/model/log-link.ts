/** What a link to a function's log is made of. */
export interface LogLink {
  /** Id of the run. */
  readonly push: string;
  readonly function: string;
  /** The run's own, which nobody guesses: whoever has it may read the logs of this run. */
  readonly key: string;
}

/** The address at which a browser shows a function's log, and what is added to it while it is built. */
export function logLinkOf(publicUrl: string, { push, function: name, key }: LogLink): string {
  const path = [push, name].map(encodeURIComponent).join("/");
  return `${publicUrl.replace(/\/+$/, "")}/logs/${path}?key=${key}`;
}

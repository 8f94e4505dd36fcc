/** What a person may ask for beside a push. Plain JSON: it is stored. */
export type Command =
  | { readonly kind: "cancel"; readonly push: RunName }
  | {
      readonly kind: "rebuild";
      readonly push: RunName;
      /** Builds what has not changed, too. */
      readonly force: boolean;
      /** These functions. */
      readonly only?: readonly string[];
      /** A check that was asked to run again: until one of a commit's is written, GitHub shows all of them as queued. */
      readonly rerun?: string;
    }
  /** Builds again what did not end well. */
  | { readonly kind: "rerun_failed"; readonly push: RunName }
  /** Builds a fork's commit; the approval is good for no other. */
  | { readonly kind: "approve"; readonly push: RunName }
  | { readonly kind: "approve"; readonly pullRequest: number; readonly sha: string };

/** A run by its id, or the newest one of a commit. */
export type RunName = string | { readonly sha: string };

/** Who asks for what about which repository, as GitHub told it. It is held against GitHub's API before it is done. */
export interface Asked {
  /** Id of the command: GUID of the delivery that brought it. */
  readonly delivery: string;
  readonly command: Command;
  /** Login of who has to have the right to write. */
  readonly by: string;
  readonly owner: string;
  readonly repository: string;
  readonly repositoryId: string;
  readonly installationId: string;
}

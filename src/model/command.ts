/** What a person may ask for beside a push. Plain JSON: it is stored. */
export type Command =
  | { readonly kind: "cancel"; readonly push: RunName }
  /** `force`: what has not changed, too; `only`: these functions. */
  | { readonly kind: "rebuild"; readonly push: RunName; readonly force: boolean; readonly only?: readonly string[] }
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

import type { BuilderError } from "../errors.ts";
import { faultOfName } from "../model/git-names.ts";
import type { Push } from "../model/push.ts";

/** A name that we do not take may be good enough for GitHub: it is a reason, and no fault of the sender. */
export function faultOfPush({ owner, repository, branch, sha }: Push): BuilderError | undefined {
  return (
    faultOfName("owner", owner) ??
    faultOfName("repository", repository) ??
    faultOfName("branch", branch) ??
    faultOfName("commit", sha)
  );
}

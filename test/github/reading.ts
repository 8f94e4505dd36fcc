import { type DeliveryRules, readDelivery } from "../../src/github/webhook.ts";
import type { BuildPolicy } from "../../src/model/build-policy.ts";
import { examplesOf, signDelivery } from "../github-server/deliveries.ts";

/** What is built where no setting says anything: the default branch, and pull requests for it. */
export const plainPolicy: BuildPolicy = { branches: [], tags: [], paths: [], pullRequests: "all" };

export const secret = "s3cret";
export const guid = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

/** Reads a signed delivery. */
export function read(payload: unknown, { event = "push", ...rules }: { event?: string } & Partial<DeliveryRules> = {}) {
  return readDelivery(signDelivery(payload, { event, guid, secret }), {
    secrets: [secret],
    policy: plainPolicy,
    ...rules,
  });
}

/** GitHub's example of a push to a branch, with changes. */
export function push({ repository = {}, owner = {}, ...rest }: Record<string, unknown> = {}) {
  const example = examplesOf("push").find(({ ref, installation }) => ref === "refs/heads/master" && installation);
  const known = (example ?? {}) as { repository: { owner: object } };
  return {
    ...known,
    ...rest,
    repository: {
      ...known.repository,
      ...(repository as object),
      owner: { ...known.repository.owner, ...(owner as object) },
    },
  };
}

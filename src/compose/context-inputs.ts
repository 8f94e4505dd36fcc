import packageJson from "../../package.json" with { type: "json" };
import { walkContext } from "../buildkit/context-walk.ts";
import type { Walk } from "../contexts/hash.ts";

/** What is hashed of a context is what a build would be sent of it: both walk it in the same way. */
export const walk: Walk = (context, excludes, { visit, signal }) =>
  walkContext(context, { includes: [], excludes, follows: [] }, { visit, room: () => undefined, signal });

/** A new version may make other images of the same files. */
export const builderName = `${packageJson.name} ${packageJson.version}`;

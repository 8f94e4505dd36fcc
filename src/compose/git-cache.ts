import { join } from "node:path";
import type { Config } from "../config.ts";

/** Where what was fetched is kept; the server and all who build on this machine share it. */
export function keptBy({ dataFolder, gitCacheBytes }: Config): { folder: string; maxBytes: number } {
  return { folder: join(dataFolder, "git"), maxBytes: gitCacheBytes };
}

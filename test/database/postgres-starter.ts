import { once } from "node:events";
import { startPostgres } from "../../src/database/embedded-postgres.ts";
import { createLog } from "../../src/log.ts";

/** A process that starts PostgreSQL on a folder and lives until its input ends. */
const [folder = ""] = process.argv.slice(2);
await using server = await startPostgres({ folder, log: createLog("warn") });
console.log(server.url);
process.stdin.resume();
await once(process.stdin, "end");

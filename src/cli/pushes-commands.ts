import { type Command, Option } from "commander";
import type { World } from "./world.ts";

/** Runs a command and keeps its exit code. */
type Call = (command: () => Promise<number>) => Promise<void>;

const pushesHelp = `
Asks a server over its API: give its address with --server, and a token with --token-file or in OF_BUILDER_TOKEN.

Examples:
  of-builder pushes --owner alice --state failure     what went wrong lately
  of-builder pushes 72d3162e-cc78-11e3-81ab-4c9367dc0958   one push, function by function`;

const logsHelp = `
Examples:
  of-builder logs 72d3162e-cc78-11e3-81ab-4c9367dc0958 --follow        all functions, as lines come
  of-builder logs 72d3162e-cc78-11e3-81ab-4c9367dc0958 hello           one function, as far as it is

With --follow: exit code 0 where all went well, 1 where not. A connection that breaks goes on where it was.`;

const tokenHelp = `
Run it where the server's secrets are: it writes a line with the token's hash into secret_mount_path/api-tokens, which
running servers read anew at once. Delete the line to take the token away.

Examples:
  of-builder token ci --scope read,write --owner alice
  of-builder token board`;

/** Adds the commands that ask a running server about its pushes. */
export function addPushesCommands(program: Command, { call, world }: { call: Call; world: World }): void {
  asking(program.command("pushes [id]"))
    .description("List what was pushed to a server, or show one push with its functions.")
    .option("--owner <login>", "only this owner's")
    .option("--repository <name>", "only those to repositories of this name")
    .option("--branch <name>", "only those to this branch")
    .option("--state <state>", "only those in this state: queued, running, success, failure, error, cancelled, ignored")
    .option("--limit <n>", "how many, 1 to 100")
    .option("--json", "print what the server answers")
    .addHelpText("after", pushesHelp)
    .action((id, options) => call(async () => (await import("./pushes.ts")).pushes(id, options, world)));

  asking(program.command("logs <id> [function]"))
    .description("Show what the builds of a push print.")
    .option("-f, --follow", "until they have ended")
    .addHelpText("after", logsHelp)
    .action((id, name, options) => call(async () => (await import("./pushes.ts")).logs({ id, name }, options, world)));

  asking(program.command("cancel <id>"))
    .description("Cancel a push: what waits is not built, what runs ends.")
    .action((id, options) => call(async () => (await import("./pushes.ts")).cancel(id, options, world)));

  asking(program.command("rebuild <id>"))
    .description("Build what a push brought once more, as a push of its own, whose id is printed.")
    .option("--force", "build what has not changed, too")
    .option("--function <name...>", "only these functions")
    .option("-f, --follow", "show its logs until it has ended")
    .action((id, options) => call(async () => (await import("./pushes.ts")).rebuild(id, options, world)));

  program
    .command("token <name>")
    .description("Make a token for a server's API.")
    .addOption(
      new Option("--scope <scopes>", "read (pushes and logs), write (cancel and rebuild), or both").default("read"),
    )
    .option("--owner <login>", "good for this owner's pushes alone")
    .option("--config <file>", "settings as NAME=value lines or YAML; the environment wins over it")
    .addHelpText("after", tokenHelp)
    .action((name, options) => call(async () => (await import("./token.ts")).token(name, options, world)));
}

function asking(command: Command): Command {
  return command
    .option("--server <address>", "the server (default: $OF_BUILDER_SERVER, else http://127.0.0.1:8080)")
    .option("--token-file <file>", "file with the API token (default: the token in $OF_BUILDER_TOKEN)");
}

import type { Command } from "commander";
import type { World } from "./world.ts";

/** Runs a command and keeps its exit code. */
type Call = (command: () => Promise<number>) => Promise<void>;

const setupHelp = `
Without an App it shows an address for your browser: a page explains what the App may do, GitHub makes it, and its
credentials go into secret_mount_path, readable for you alone. With an App it looks at each step between a push and this
server, says which one is missing, and moves the webhook to --url where GitHub delivers elsewhere. Run it as often as
you like.

GitHub Enterprise Server: set github_api_url=https://HOST/api/v3.

Examples:
  of-builder setup --url https://builder.example.com
  of-builder setup --url https://builder.example.com --organization my-company
  ssh -L 8081:127.0.0.1:8081 HOST of-builder setup --port 8081     where the browser is on another machine

Exit codes: 0 nothing is missing, 1 something is, 2 wrong use.`;

const deliverHelp = `
Signs and sends a delivery to a server, as GitHub does, and shows the answer. With a GUID it is one that this installation
has stored, under its own GUID: what is built already is not built twice. Otherwise, without --file, it is a push of the
commit that the current folder has checked out, with the repository's name from its remote "origin".

Examples:
  of-builder deliver --to http://127.0.0.1:8080                   a push of HEAD
  of-builder deliver --to http://127.0.0.1:8080 --event ping
  of-builder deliver --to https://builder.example.com --event push --file payload.json
  of-builder deliver 72d3162e-cc78-11e3-81ab-4c9367dc0958 --to http://127.0.0.1:8080

The secret is $secret_mount_path/github-webhook-secret, or --secret-file. Exit codes: 0 accepted, 1 refused, 2 wrong use.`;

const deliveriesHelp = `
Reads the installation's own database, by the same settings that serve has: it works while the server is down.
How a delivery came by: webhook (GitHub sent it), sweep (GitHub could not, and noted so), poll (the head of a branch that
no delivery told of), api (a person of yours).

Examples:
  of-builder deliveries list --source sweep          what GitHub could not deliver
  of-builder deliveries show 72d3162e-cc78-11e3-81ab-4c9367dc0958
  of-builder deliveries replay 72d3162e-cc78-11e3-81ab-4c9367dc0958   once more, as a new one, by today's rules`;

/** Adds the commands that have to do with GitHub. */
export function addGithubCommands(program: Command, { call, world }: { call: Call; world: World }): void {
  program
    .command("setup")
    .description("Connect this server to GitHub: make its App in the browser, or look at the one that there is.")
    .option("--url <address>", "this server as GitHub reaches it (default: the setting public_url)")
    .option("--name <name>", "name of the App, unique on GitHub", "of-builder")
    .option("--organization <login>", "organization that shall own the App (default: your own account)")
    .option("--port <n>", "port of the page on this machine; 0 = any free one", "0")
    .option("--config <file>", "settings as NAME=value lines or YAML; the environment wins over it")
    .addHelpText("after", setupHelp)
    .action((options) => call(async () => (await import("./setup.ts")).setup(options, world)));

  program
    .command("deliver [guid]")
    .description("Sign and send a delivery to a server, as GitHub does.")
    .option("--to <address>", "the server", "http://127.0.0.1:8080")
    .option("--event <name>", "push or ping, or any event with --file (default: push)")
    .option("--file <file>", "payload to send as it is")
    .option("--guid <id>", "id of the delivery (default: a new one, or that of the stored one)")
    .option("--secret-file <file>", "file with the webhook's secret")
    .option("--config <file>", "settings as NAME=value lines or YAML; the environment wins over it")
    .addHelpText("after", deliverHelp)
    .action((guid, options) => call(async () => (await import("./deliver.ts")).deliver(guid, options, world)));
  addDeliveries(program, { call, world });
}

function addDeliveries(program: Command, { call, world }: { call: Call; world: World }): void {
  const deliveries = program
    .command("deliveries")
    .description("Show what GitHub delivered, what became of it, and take a delivery once more.")
    .addHelpText("after", deliveriesHelp)
    .exitOverride();
  const load = () => import("./deliveries.ts");
  const add = (name: string, about: string) =>
    deliveries
      .command(name)
      .description(about)
      .option("--json", "print lines of JSON")
      .option("--config <file>", "settings as NAME=value lines or YAML; the environment wins over it")
      .exitOverride();
  add("list", "List deliveries, the newest first.")
    .option("--limit <n>", "how many", "50")
    .option("--owner <login>", "only those about this owner")
    .option("--event <name>", "only those of this event")
    .option("--source <way>", "only those that came this way: webhook, sweep, poll or api")
    .action((options) => call(async () => (await load()).list(options, world)));
  add("show <guid>", "Show a delivery with its payload.").action((guid, options) =>
    call(async () => (await load()).show(guid, options, world)),
  );
  add("replay <guid>", "Take a delivery once more, as a new one.").action((guid, options) =>
    call(async () => (await load()).replay(guid, options, world)),
  );
}

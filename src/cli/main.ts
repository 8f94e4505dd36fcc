import { Command, CommanderError, Option } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { BuilderError } from "../errors.ts";
import { faultText } from "../model/faults.ts";
import { addExtraOptions, secretOption } from "./build-extras.ts";
import { addGithubCommands } from "./github-commands.ts";
import { buildHelp, devHelp, doctorHelp, keygenHelp, remoteBuildHelp, serveHelp, workerHelp } from "./help.ts";
import { addPushesCommands } from "./pushes-commands.ts";
import { addStackOptions } from "./stack-options.ts";
import { exitCodes, type World } from "./world.ts";

const world: World = { env: process.env, folder: process.cwd(), output: process.stdout, errors: process.stderr };

// Who reads our output may leave early, as `head` does: then nobody is left to tell anything.
process.stdout.on("error", () => process.exit(exitCodes.failed));

const exitCode = await run(process.argv);
// All is told and closed: to end by itself Node would take its heap apart first, which is felt behind a short build.
for (const stream of [process.stdout, process.stderr]) await new Promise((done) => stream.write("", done));
process.exit(exitCode);

/** Runs one command line. @returns the exit code */
async function run(argv: readonly string[]): Promise<number> {
  let code: number = exitCodes.success;
  const program = createProgram(async (command) => {
    code = await command();
  });
  try {
    await program.parseAsync([...argv]);
    return code;
  } catch (error) {
    return tell(error);
  }
}

/** People are told known faults in a sentence and what to do; a bug shows its stack. */
function tell(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.success : exitCodes.usage;
  if (!(error instanceof BuilderError)) {
    world.errors.write(
      `${error instanceof Error ? error.stack : String(error)}\nThis is a bug in of-builder: please report it.\n`,
    );
    return exitCodes.failed;
  }
  const faults = error.faults.map((fault) => `\n${faultText(fault)}`).join("");
  world.errors.write(`of-builder:${faults || ` ${error.message}`}\n${error.fix}\n`);
  return error.code === "usage" || error.code === "setting_invalid" ? exitCodes.usage : exitCodes.failed;
}

/** Runs a command and keeps its exit code. */
type Call = (command: () => Promise<number>) => Promise<void>;

/** A command's module is loaded when it is called: `build` shall not wait for the server's packages. */
function createProgram(call: Call): Command {
  const program = new Command("of-builder")
    .description("git push in, a running OpenFaaS function out.")
    .version(packageJson.version, "-V, --version")
    .exitOverride()
    .showHelpAfterError("(of-builder --help shows what there is)");

  addExtraOptions(addStackOptions(program.command("build")))
    .description("Build the functions of a stack.yml with BuildKit: in parallel, without Docker.")
    .option("--push", "push the images to the registry that their names say")
    .option("--shrinkwrap <dir>", "write each function's build context to DIR/NAME instead of building")
    .option("--tar", "with --shrinkwrap: write DIR/NAME.tar, which POST /build takes")
    .addOption(new Option("--parallel <n>", "functions built at the same time").default("20"))
    .option("--force", "build what has not changed since the last good build, too")
    .option("--no-cache", "run every step again")
    .addOption(
      new Option("--progress <kind>", "how to draw progress")
        .choices(["auto", "live", "plain", "quiet", "json"])
        .default("auto"),
    )
    .addHelpText("after", buildHelp)
    .action((options) => call(async () => (await import("./build.ts")).build(options, world)));

  addRemoteBuild(program, call);
  addServing(program, call);
  addGithubCommands(program, { call, world });
  addPushesCommands(program, { call, world });
  for (const command of program.commands) command.exitOverride();
  return program;
}

function addRemoteBuild(program: Command, call: Call): void {
  addStackOptions(program.command("remote-build"))
    .description(
      "Build and push the functions of a stack.yml on a server: of-builder's, or OpenFaaS's Function Builder.",
    )
    .option("--url <address>", "address of the builder (default: $OPENFAAS_REMOTE_BUILDER)")
    .option("--payload-secret <file>", "secret to sign the builds with (default: $OPENFAAS_PAYLOAD_SECRET)")
    .option("--stamp", "sign each request for one use and for now; else only where the builder asks for it")
    .addOption(secretOption())
    .option(
      "--builder-public-key <key>",
      "file or text of the key that build secrets are sealed for (default: $OPENFAAS_BUILDER_PUBLIC_KEY, else the builder's /publickey)",
    )
    .addOption(new Option("--parallel <n>", "functions built at the same time").default("4"))
    .addOption(
      new Option("--progress <kind>", "how to draw progress")
        .choices(["auto", "live", "plain", "quiet", "json"])
        .default("auto"),
    )
    .addHelpText("after", remoteBuildHelp)
    .action((options) => call(async () => (await import("./remote-build.ts")).remoteBuild(options, world)));
}

/** What a server needs, from its keys to everything around it. */
function addServing(program: Command, call: Call): void {
  const callServing: Call = (command) =>
    call(async () => {
      (await import("./small-heap.ts")).keepHeapSmall();
      return command();
    });
  program
    .command("serve")
    .description("Serve GitHub's webhook and POST /build.")
    .option("--config <file>", "settings as NAME=value lines or YAML; the environment wins over it")
    .addHelpText("after", serveHelp)
    .action((options) => callServing(async () => (await import("./serve.ts")).serve(options, world)));

  program
    .command("worker")
    .description("Build the pushes that servers take: as many as wanted share a database, on any machines.")
    .option("--config <file>", "settings as NAME=value lines or YAML; the environment wins over it")
    .addHelpText("after", workerHelp)
    .action((options) => callServing(async () => (await import("./worker.ts")).worker(options, world)));

  program
    .command("dev")
    .description(
      "Start everything on this machine: BuildKit, a registry, PostgreSQL and the server; stop it again on Ctrl-C.",
    )
    .option("--data <dir>", "folder for all state (default: .of-builder in this folder)")
    .option("--port <n>", "port of the server; 0 = any free one, for every part", "8080")
    .option(
      "--ready-file <file>",
      "written as JSON when everything answers: server, registry, buildkit, database, data, pid",
    )
    .addHelpText("after", devHelp)
    .action((options) => call(async () => (await import("./dev.ts")).dev(options, world)));

  program
    .command("doctor")
    .description("Look at each BuildKit daemon and at the registry, and tell what to do where something is wrong.")
    .option("--config <file>", "settings as NAME=value lines or YAML; the environment wins over it")
    .addHelpText("after", doctorHelp)
    .action((options) => call(async () => (await import("./doctor.ts")).doctor(options, world)));

  program
    .command("keygen")
    .description("Make a pair of keys that build secrets are sealed for; nothing is written over.")
    .option("-o, --output <file>", "file of the private key; the public one is FILE.pub", "build-secrets-key")
    .addHelpText("after", keygenHelp)
    .action((options) => call(async () => (await import("./keygen.ts")).keygen(options, world)));
}

import { Command, CommanderError, Option } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { BuilderError } from "../errors.ts";
import { buildHelp, devHelp, serveHelp } from "./help.ts";
import { exitCodes, type World } from "./world.ts";

const world: World = { env: process.env, folder: process.cwd(), output: process.stdout, errors: process.stderr };

// Who reads our output may leave early, as `head` does: then nobody is left to tell anything.
process.stdout.on("error", () => process.exit(exitCodes.failed));

process.exitCode = await run(process.argv);

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
  world.errors.write(`of-builder: ${error.message}\n${error.fix}\n`);
  return error.code === "usage" || error.code === "setting_invalid" ? exitCodes.usage : exitCodes.failed;
}

/** A command's module is loaded when it is called: `build` shall not wait for the server's packages. */
function createProgram(call: (command: () => Promise<number>) => Promise<void>): Command {
  const program = new Command("of-builder")
    .description("git push in, a running OpenFaaS function out.")
    .version(packageJson.version, "-V, --version")
    .exitOverride()
    .showHelpAfterError("(of-builder --help shows what there is)");

  program
    .command("build")
    .description("Build the functions of a stack.yml with BuildKit: in parallel, without Docker.")
    .option("-f, --yaml <file>", "the stack file (default: stack.yaml, then stack.yml)")
    .option("--filter <glob>", "only functions whose name matches; * stands for any text")
    .option("--push", "push the images to the registry that their names say")
    .option("--shrinkwrap <dir>", "write each function's build context to DIR/NAME instead of building")
    .addOption(new Option("--parallel <n>", "functions built at the same time").default("20"))
    .option(
      "-b, --build-arg <key=value>",
      "a build argument for every function; may be repeated",
      (value, all: string[]) => [...all, value],
      [],
    )
    .option("--no-cache", "run every step again")
    .option(
      "--no-envsubst",
      "leave variables in the stack file as they are instead of taking them from the environment",
    )
    .addOption(
      new Option("--progress <kind>", "how to draw progress")
        .choices(["auto", "live", "plain", "quiet"])
        .default("auto"),
    )
    .addHelpText("after", buildHelp)
    .action((options) => call(async () => (await import("./build.ts")).build(options, world)));

  program
    .command("serve")
    .description("Serve GitHub's webhook and POST /build.")
    .option("--config <file>", "settings as NAME=value lines or YAML; the environment wins over it")
    .addHelpText("after", serveHelp)
    .action((options) => call(async () => (await import("./serve.ts")).serve(options, world)));

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

  for (const command of program.commands) command.exitOverride();
  return program;
}

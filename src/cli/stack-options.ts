import { type Command, InvalidArgumentError, Option } from "commander";
import { messageOf } from "../errors.ts";
import { parseTagFormat, type TagFormat } from "../model/image-name.ts";

/** Adds the options that say which functions of which stack are meant: faas-cli's, under its names. */
export function addStackOptions(command: Command): Command {
  return command
    .option("-f, --yaml <file>", "the stack file, or its http(s) address (default: stack.yaml, then stack.yml)")
    .option("--filter <glob>", "only functions whose name matches; * stands for any text")
    .option("--regex <pattern>", "only functions in whose name this is found, by RE2's rules")
    .option(
      "-b, --build-arg <key=value>",
      "a build argument for every function; may be repeated",
      (value, all: string[]) => [...all, value],
      [],
    )
    .addOption(
      new Option("--envsubst [flag]", "take variables in the stack file from the environment; false: leave them")
        .default(true)
        .argParser(parseFlag),
    )
    .addOption(new Option("--no-envsubst").hideHelp())
    .addOption(
      new Option("--tag <format>", "what the tag of each image gets: latest (as it is), sha, branch, describe, digest")
        .default("latest")
        .argParser(parseTag),
    );
}

function parseTag(text: string): TagFormat {
  try {
    return parseTagFormat(text);
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}

/** Go's words for a bool. */
function parseFlag(text: string): boolean {
  if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(text)) return false;
  throw new InvalidArgumentError("Expected true or false.");
}

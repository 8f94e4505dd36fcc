import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";

/**
 * Runs a program in this one's place: the same standard streams, every signal passed on, and in the end the same exit
 * code or the same signal.
 *
 * A Ctrl-C reaches a whole foreground group by itself. Passed on as well it would arrive twice, and the second one
 * means "at once": so where there is a terminal, SIGINT is left to the terminal.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>} the exit code; when the program died by a signal this process does too
 */
export async function runInPlace(command, args, env) {
  const child = spawn(command, args, { stdio: "inherit", env });
  const passedOn = ["SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2"];
  const signals = [...passedOn, "SIGINT"];
  const sendsItself = hasTerminal();
  const onSignal = (signal) => {
    if (signal !== "SIGINT" || !sendsItself) child.kill(signal);
  };
  for (const signal of signals) process.on(signal, onSignal);
  const { code, signal } = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  for (const name of signals) process.removeListener(name, onSignal);
  if (signal !== null) process.kill(process.pid, signal);
  return code ?? 1;
}

function hasTerminal() {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}

import { execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { startTicker } from "./ticker.js";

const run = promisify(execFile);
/** The first Go that fetches a newer one by itself when a module asks for it. */
const oldestGo = [1, 21];

/**
 * Finds a Go that can compile the tools.
 * @param {string} wanted the version that tools/go.mod asks for
 * @returns {Promise<string>} the command
 */
export async function findGo(wanted) {
  const advice = `install Go ${wanted} or newer (https://go.dev/dl/; Debian and Ubuntu: apt-get install -y golang-go where that is 1.21 or newer)`;
  const { stdout } = await run("go", ["env", "GOVERSION"], { env: goEnvironment() }).catch((error) => {
    throw new Error(error.code === "ENOENT" ? `Go is missing: ${advice}` : `Go does not run: ${error.message}`);
  });
  const [major = 0, minor = 0] = (/go(\d+)\.(\d+)/.exec(stdout) ?? []).slice(1).map(Number);
  if (major > oldestGo[0] || (major === oldestGo[0] && minor >= oldestGo[1])) return "go";
  throw new Error(`Go is too old (${stdout.trim()}): ${advice}`);
}

/**
 * Compiles the tools of a module and shows how far it is.
 * @param {{ go: string, folder: string, target: string, linkerFlags: string }} options
 */
export async function compile({ go, folder, target, linkerFlags }) {
  const ticker = startTicker("compiling buildkitd, buildctl and registry (about 3 minutes the first time)");
  try {
    ticker.update("fetching modules");
    const { stdout } = await run(go, ["list", "-deps", "tool"], options(folder)).catch((error) => {
      throw new Error(`go list failed:\n${String(error.stderr).slice(-4000)}`);
    });
    const packages = stdout.trim().split("\n").length;
    await install({ go, folder, target, linkerFlags }, (done) => {
      ticker.update(done < packages ? `${done} of at most ${packages} packages` : "linking");
    });
    ticker.stop("buildkitd, buildctl and registry compiled");
  } catch (error) {
    ticker.stop("buildkitd, buildctl and registry could not be compiled");
    throw error;
  }
}

/**
 * @param {{ go: string, folder: string, target: string, linkerFlags: string }} options
 * @param {(packages: number) => void} onProgress
 */
async function install({ go, folder, target, linkerFlags }, onProgress) {
  const args = ["install", "-v", "-trimpath", `-ldflags=${linkerFlags}`, "tool"];
  const env = { ...goEnvironment(), GOBIN: target };
  const child = spawn(go, args, { cwd: folder, env, stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  let packages = 0;
  const last = [];
  for await (const line of createInterface({ input: child.stderr })) {
    last.push(line);
    if (last.length > 40) last.shift();
    // With -v each compiled package is a line that holds its import path and nothing else.
    if (/^[\w.~/-]+$/.test(line)) onProgress(++packages);
  }
  const code = await ended;
  if (code !== 0) throw new Error(`go install ended with ${code}:\n${last.join("\n")}`);
}

/** @param {string} folder */
function options(folder) {
  return { cwd: folder, env: goEnvironment(), maxBuffer: 16 * 1024 * 1024 };
}

/**
 * What a person set for other modules (a vendor folder, a workspace) would break this one. Debian's Go is told not to
 * fetch a newer Go; here it has to be allowed, unless the person says otherwise. No C compiler is needed.
 */
function goEnvironment() {
  const toolchain = process.env.GOTOOLCHAIN || "auto";
  return { ...process.env, GOFLAGS: "-mod=readonly", GOWORK: "off", GOTOOLCHAIN: toolchain, CGO_ENABLED: "0" };
}

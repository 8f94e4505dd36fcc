import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";

/** Programs that BuildKit and the base image need of the system, by the package of Debian and Ubuntu that has them. */
const forAll = [
  { program: "runc", package: "runc", isGood: () => true },
  { program: "busybox", package: "busybox-static", isGood: isStatic },
];
const forUsers = [
  { program: "rootlesskit", package: "rootlesskit", isGood: () => true },
  { program: "newuidmap", package: "uidmap", isGood: () => true },
  { program: "slirp4netns", package: "slirp4netns", isGood: () => true },
];
/** What the tests look at results with, and what the server unpacks rare bodies with. */
const forTests = [
  { program: "xz", package: "xz-utils", isGood: () => true },
  { program: "bzip2", package: "bzip2", isGood: () => true },
  { program: "openssl", package: "openssl", isGood: () => true },
  { program: "curl", package: "curl", isGood: () => true },
  { program: "ps", package: "procps", isGood: () => true },
];
/** A Docker engine comes with services of its own: it is put only on machines that are there for the tests. */
const forEngineTests = [{ program: "dockerd", package: "docker.io", isGood: () => true }];
const systemFolders = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/**
 * Installs what is missing, as root on Debian or Ubuntu; otherwise throws an error with the lines to run. A Docker
 * engine is installed where the variable TEST_DOCKER_ENGINE is "install"; nothing but its own tests needs it.
 * @param {{ tests: boolean }} options whether the tests are to run
 */
export async function ensureSystemPackages({ tests }) {
  const isRoot = process.getuid?.() === 0;
  const engine = tests && process.env.TEST_DOCKER_ENGINE === "install" ? missingPackages(forEngineTests) : [];
  if (isRoot && engine.length > 0 && findProgram("apt-get")) installPackages(engine);
  const needed = [...forAll, ...(isRoot ? [] : forUsers), ...(tests ? forTests : [])];
  const packages = missingPackages(needed);
  if (isRoot && packages.length > 0 && findProgram("apt-get")) installPackages(packages);
  const lines = adviceFor(missingPackages(needed), isRoot);
  if (lines.length > 0)
    throw new Error(`this machine lacks something; run:\n${lines.map((line) => `  ${line}`).join("\n")}`);
}

/** @param {readonly { program: string, package: string, isGood: (file: string) => boolean }[]} needed */
function missingPackages(needed) {
  return needed
    .filter(({ program, isGood }) => {
      const file = findProgram(program);
      return file === undefined || !isGood(file);
    })
    .map((entry) => entry.package);
}

/** @param {readonly string[]} packages */
function installPackages(packages) {
  console.error(`installing ${packages.join(", ")} with apt-get`);
  const apt = (...args) => {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    return spawnSync("apt-get", ["-qq", ...args], { stdio: ["ignore", 2, 2], env }).status === 0;
  };
  const install = () => apt("install", "-y", "--no-install-recommends", ...packages);
  // A fresh machine has no package lists, an old one has lists of packages that are gone.
  if (!install()) apt("update") && install();
}

/**
 * @param {readonly string[]} packages
 * @param {boolean} isRoot
 */
function adviceFor(packages, isRoot) {
  const sudo = isRoot ? "" : "sudo ";
  const lines = packages.length > 0 ? [`${sudo}apt-get install -y ${packages.join(" ")}`] : [];
  if (isRoot) return lines;
  const name = userName();
  if (!hasSubordinateIds(name, process.getuid?.() ?? 0)) {
    lines.push(`sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${name}`);
  }
  return lines;
}

/** A container may run as a user that has no name. */
function userName() {
  try {
    return userInfo().username;
  } catch {
    return "USER";
  }
}

/**
 * subuid(5): lines of NAME-OR-ID:FIRST:COUNT.
 * @param {string} name
 * @param {number} uid
 */
function hasSubordinateIds(name, uid) {
  return ["/etc/subuid", "/etc/subgid"].every((file) => {
    const owners = existsSync(file)
      ? readFileSync(file, "utf8")
          .split("\n")
          .map((line) => line.split(":")[0])
      : [];
    return owners.includes(name) || owners.includes(String(uid));
  });
}

/** @param {string} name */
function findProgram(name) {
  const folders = [...(process.env.PATH ?? "").split(":").filter((folder) => folder.startsWith("/")), ...systemFolders];
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
}

/**
 * A program that needs a loader names it near its start.
 * @param {string} file
 */
function isStatic(file) {
  return !readFileSync(file).subarray(0, 4096).includes("/ld-");
}

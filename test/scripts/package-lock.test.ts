import { expect, test } from "vitest";
import lock from "../../package-lock.json" with { type: "json" };

interface Locked {
  readonly dependencies?: object;
  readonly devDependencies?: object;
  readonly optionalDependencies?: object;
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

/** Node looks a package up in the node_modules of each folder above. */
function isLocked(path: string, name: string): boolean {
  if (packages.has(`${path === "" ? "" : `${path}/`}node_modules/${name}`)) return true;
  if (path === "") return false;
  return isLocked(path.slice(0, Math.max(path.lastIndexOf("node_modules/") - 1, 0)), name);
}

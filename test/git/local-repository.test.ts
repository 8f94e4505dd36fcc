import { execFileSync } from "node:child_process";
import { chmod, chown, cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { gitScene, scratchFolder } from "./git-scene.ts";

const { signal } = new AbortController();
const isRoot = process.getuid?.() === 0;

const run = (folder: string, ...args: readonly string[]) =>
  execFileSync("git", ["-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", ...args], {
    encoding: "utf8",
  }).trim();

/** A repository with one commit on main, of one file. */
async function createLocal(folder: string, file = "file"): Promise<string> {
  execFileSync("git", ["init", "--quiet", "--initial-branch=main", folder]);
  await writeFile(join(folder, file), "content");
  run(folder, "add", ".");
  run(folder, "commit", "--quiet", "-m", "x");
  return run(folder, "rev-parse", "HEAD");
}

async function filesOf(folder: string, ref: string, environment = { PATH: process.env.PATH }) {
  const { git } = await gitScene({ environment });
  await using checkout = await git.checkoutRef({ url: `${pathToFileURL(folder).href}#${ref}` }, { signal });
  return (await readdir(checkout.folder)).sort();
}

test("G6 the settings and hooks of a repository of this disk run nothing", async () => {
  const folder = await scratchFolder();
  const [local, marks, hooks] = ["local", "marks", "hooks"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const sha = await createLocal(local);
  await mkdir(marks);
  await mkdir(hooks);
  for (const name of ["post-checkout", "reference-transaction", "post-index-change", "pre-auto-gc", "update"])
    await writeFile(join(hooks, name), `#!/bin/sh\ntouch ${marks}/${name}\n`, { mode: 0o755 });
  const settings = {
    "core.hooksPath": hooks,
    "core.fsmonitor": `touch ${marks}/fsmonitor; false`,
    "core.sshCommand": `touch ${marks}/ssh; false`,
    "core.alternateRefsCommand": `touch ${marks}/alternates; false`,
    "uploadpack.packObjectsHook": `touch ${marks}/pack-objects; exec`,
    "filter.evil.smudge": `touch ${marks}/filter; cat`,
    "filter.evil.clean": "cat",
    "remote.origin.url": pathToFileURL(local).href,
    "remote.origin.uploadpack": `touch ${marks}/upload-pack; git-upload-pack`,
  };
  await writeFile(join(local, ".gitattributes"), "* filter=evil\n");
  for (const [name, value] of Object.entries(settings)) run(local, "config", name, value);
  await rm(marks, { recursive: true });
  await mkdir(marks);
  for (const ref of ["main", `sha-${sha}`, `sha-${sha.slice(0, 8)}`, ""])
    expect(await filesOf(local, ref)).toEqual(["file"]);
  expect(await readdir(marks)).toEqual([]);
});

/** What leads a repository `evil` to the files of the repository `private` beside it. */
const leads: Readonly<Record<string, (evil: string) => Promise<void>>> = {
  "borrows objects": (evil) =>
    writeFile(join(evil, ".git/objects/info/alternates"), join(evil, "../private/.git/objects\n")),
  "borrows objects from a path of its own": (evil) =>
    writeFile(join(evil, ".git/objects/info/alternates"), "../../../private/.git/objects\n"),
  "has a .git file": async (evil) => {
    await rm(join(evil, ".git"), { recursive: true });
    await writeFile(join(evil, ".git"), "gitdir: ../private/.git\n");
  },
  "has a link .git": async (evil) => {
    await rm(join(evil, ".git"), { recursive: true });
    await symlink("../private/.git", join(evil, ".git"));
  },
  "has a common folder elsewhere": (evil) => writeFile(join(evil, ".git/commondir"), "../../private/.git\n"),
  "has linked objects": async (evil) => {
    await rm(join(evil, ".git/objects"), { recursive: true });
    await symlink("../../private/.git/objects", join(evil, ".git/objects"));
  },
  "has packs that are links": async (evil) => {
    const packs = join(evil, "../private/.git/objects/pack");
    run(join(evil, "../private"), "repack", "--quiet", "-a", "-d");
    for (const name of await readdir(packs)) await symlink(join(packs, name), join(evil, ".git/objects/pack", name));
  },
  "has linked branches": async (evil) => {
    await rm(join(evil, ".git/refs/heads"), { recursive: true });
    await symlink("../../../private/.git/refs/heads", join(evil, ".git/refs/heads"));
  },
  "is a bare one that was committed": async (evil) => {
    await rename(join(evil, ".git"), join(evil, "../bare"));
    await rm(evil, { recursive: true });
    await rename(join(evil, "../bare"), evil);
    await writeFile(join(evil, "objects/info/alternates"), "../../private/.git/objects\n");
  },
  "is a bare one behind a folder .git without a commit": (evil) => hideBare(evil, "no commit\n"),
  "is a bare one behind a folder .git with a HEAD that git does not read": (evil) =>
    hideBare(evil, "ref:\vrefs/heads/main\n"),
  "is a bare one behind a folder .git with a file for objects": async (evil) => {
    await hideBare(evil, "ref: refs/heads/main\n");
    await rm(join(evil, ".git/objects"), { recursive: true });
    await writeFile(join(evil, ".git/objects"), "");
  },
  "stands beside the folder that is named": async (evil) => {
    await leads["is a bare one that was committed"]?.(evil);
    await rename(evil, `${evil}.git`);
    await mkdir(evil);
  },
};

/** Makes a repository a bare one, with a folder .git in it that git does not take for one. */
async function hideBare(evil: string, head: string): Promise<void> {
  await leads["is a bare one that was committed"]?.(evil);
  await mkdir(join(evil, ".git/objects"), { recursive: true });
  await mkdir(join(evil, ".git/refs"));
  await writeFile(join(evil, ".git/HEAD"), head);
}

test.for(Object.keys(leads))("G6 a repository of this disk that %s gives nothing of another one", async (name) => {
  const folder = await scratchFolder();
  const [evil, other] = [join(folder, "evil"), join(folder, "private")];
  await createLocal(evil);
  const secret = await createLocal(other, "secret");
  // What is wanted of the other one is named by a ref, as far as refs are the repository's own.
  await writeFile(join(evil, ".git/refs/heads/steal"), `${secret}\n`);
  run(other, "branch", "steal");
  await leads[name]?.(evil);
  await expect(filesOf(evil, "steal")).rejects.toMatchObject({
    code: "path_forbidden",
    message: expect.stringContaining(`the repository "${evil}" is not read: `),
    fix: expect.stringContaining("git clone --no-local"),
  });
});

test("G6 what a partial clone lacks is not fetched: older gits take the command for that from its settings", async () => {
  const folder = await scratchFolder();
  const local = join(folder, "local");
  await createLocal(local);
  await writeFile(join(local, ".git/more"), '[remote "origin"]\n\tpromisor = true\n\tuploadpack = touch ran; false\n');
  run(local, "config", "include.path", "more");
  await expect(filesOf(local, "main")).rejects.toMatchObject({
    code: "path_forbidden",
    message: expect.stringContaining("it is a partial clone"),
  });
  expect(await readdir(folder)).toEqual(["local"]);
});

test("a repository of this disk may be bare, packed, named by a link, or lie at any path", async () => {
  const folder = await scratchFolder();
  const local = join(folder, "a b%c?d#é");
  const sha = await createLocal(local);
  run(local, "pack-refs", "--all");
  run(local, "repack", "--quiet", "-a", "-d");
  await mkdir(join(local, "objects"));
  await symlink("/nowhere", join(local, "objects/link"));
  const bare = join(folder, "bare.git");
  execFileSync("git", ["clone", "--quiet", "--bare", "--no-local", local, bare]);
  await symlink(local, join(folder, "link"));
  for (const each of [local, bare, join(folder, "bare"), join(folder, "link"), join(local, ".git"), `${local}/`])
    expect(await filesOf(each, `sha-${sha}`)).toEqual(["file"]);
});

test("a clone of a repository that borrows is read, as its refusal says", async () => {
  const folder = await scratchFolder();
  const [local, borrowing, clone] = ["local", "borrowing", "clone"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await createLocal(local);
  execFileSync("git", ["clone", "--quiet", "--shared", local, borrowing]);
  await expect(filesOf(borrowing, "main")).rejects.toMatchObject({ code: "path_forbidden" });
  execFileSync("git", ["clone", "--quiet", "--no-local", borrowing, clone]);
  expect(await filesOf(clone, "main")).toEqual(["file"]);
});

test.for(["file://elsewhere/repository", "file:///a%2fb", "file:///a%00b", "file:///%zz", "file:///%ff"])(
  "G6 %s is no path",
  async (url) => {
    const { git } = await gitScene({ environment: { PATH: "/nonexistent" } });
    await expect(git.checkoutRef({ url }, { signal })).rejects.toMatchObject({ code: "name_invalid" });
  },
);

test("a folder that holds no repository is told by git", async () => {
  const folder = await scratchFolder();
  await expect(filesOf(folder, "main")).rejects.toMatchObject({
    code: "checkout_failed",
    message: expect.stringContaining("does not appear to be a git repository"),
    fix: expect.stringContaining("the templates' address"),
  });
});

/** A git whose upload-pack takes each repository for another user's: only root can give one away. */
async function strangersGit(): Promise<{ PATH: string }> {
  const bin = await scratchFolder();
  const real = execFileSync("sh", ["-c", "command -v git"], { encoding: "utf8" }).trim();
  const scripts = {
    git: `#!/bin/sh\nGIT_EXEC_PATH=${bin} exec ${real} "$@"\n`,
    "git-upload-pack": `#!/bin/sh\nGIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec ${real} upload-pack "$@"\n`,
  };
  for (const [name, text] of Object.entries(scripts)) {
    await writeFile(join(bin, name), text);
    await chmod(join(bin, name), 0o755);
  }
  return { PATH: `${bin}:${process.env.PATH}` };
}

test("G10 a repository of another user is refused, with what to do in place of what the App may do", async () => {
  const folder = await scratchFolder();
  const local = join(folder, "local");
  await createLocal(local);
  const { PATH } = await strangersGit();
  const giveAway = async () => {
    await chown(join(local, ".git"), 65534, 65534);
    return { PATH: process.env.PATH };
  };
  for (const environment of [{ PATH }, ...(isRoot ? [await giveAway()] : [])]) {
    await expect(filesOf(local, "main", environment)).rejects.toMatchObject({
      code: "path_forbidden",
      transient: false,
      message: `main of ${pathToFileURL(local).href} is not read: the folder belongs to another user`,
      fix: "Change its owner (chown -R), or copy it (cp -r) and name the copy.",
    });
  }
  const copy = join(folder, "copy");
  await cp(local, copy, { recursive: true });
  expect(await filesOf(copy, "main")).toEqual(["file"]);
  expect(await readFile(join(copy, "file"), "utf8")).toBe("content");
});

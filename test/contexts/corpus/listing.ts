import { createHash } from "node:crypto";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";

/**
 * One entry of a folder as a line: permissions in octal, `file`, `folder` or `link`, the path (`%XX` = a byte that is no
 * UTF-8) in quotes, and a file's SHA-256 or a link's target.
 */
type ListedEntry = string;

/** Lists everything below a folder, the folder itself not included, in the order of the paths' bytes. */
export async function listFolder(folder: string): Promise<readonly ListedEntry[]> {
  const found: { bytes: Buffer; entry: ListedEntry }[] = [];
  const walk = async (below: Buffer) => {
    const place = below.length === 0 ? Buffer.from(folder) : joined(Buffer.from(folder), below);
    for (const name of await readdir(place, { encoding: "buffer" })) {
      const path = below.length === 0 ? name : joined(below, name);
      const entry = await listOne(joined(Buffer.from(folder), path), path);
      found.push({ bytes: path, entry: entry.line });
      if (entry.isFolder) await walk(path);
    }
  };
  await walk(Buffer.of());
  return found.sort((one, other) => Buffer.compare(one.bytes, other.bytes)).map(({ entry }) => entry);
}

async function listOne(place: Buffer, path: Buffer): Promise<{ isFolder: boolean; line: ListedEntry }> {
  const stats = await lstat(place);
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, "0");
  const name = JSON.stringify(readable(path));
  if (stats.isDirectory()) return { isFolder: true, line: `${mode} folder ${name}` };
  if (stats.isSymbolicLink()) return { isFolder: false, line: `${mode} link ${name} ${await readlink(place)}` };
  if (!stats.isFile()) throw new Error(`${name} is neither a file nor a folder nor a link`);
  const sha256 = createHash("sha256")
    .update(await readFile(place))
    .digest("hex");
  return { isFolder: false, line: `${mode} file ${name} ${sha256}` };
}

function joined(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([folder, Buffer.from("/"), name]);
}

function readable(path: Buffer): string {
  const text = path.toString("utf8");
  if (Buffer.from(text).equals(path)) return text;
  return path
    .toString("latin1")
    .replaceAll(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
}

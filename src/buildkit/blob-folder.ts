import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BuilderError, messageOf } from "../errors.ts";

/** What names a blob in an index: the part of an OCI descriptor that we read, and what else it holds. */
export interface Descriptor {
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly [more: string]: unknown;
}

const nameKey = "org.opencontainers.image.ref.name";
const digestPattern = /^sha256:(?<hex>[0-9a-f]{64})$/u;
const maxIndexBytes = 4 * 1024 * 1024;

/** A folder in OCI's image layout: blobs/sha256/HEX, index.json, oci-layout. */
export class BlobFolder {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @returns a blob's size; undefined where there is none, or no such thing as this digest */
  async size(digest: string): Promise<number | undefined> {
    const path = this.#path(digest);
    const found = path === undefined ? undefined : await stat(path).catch(() => undefined);
    return found?.isFile() === true ? found.size : undefined;
  }

  /** Opens a blob that is there. The caller closes it. */
  async read(digest: string): Promise<FileHandle> {
    return open(this.#path(digest) ?? "", "r");
  }

  /** Begins a blob; it takes its place when it is committed. */
  async write(): Promise<BlobWriter> {
    const folder = join(this.#folder, "ingest");
    await mkdir(folder, { recursive: true });
    await mkdir(join(this.#folder, "blobs", "sha256"), { recursive: true });
    const path = join(folder, randomBytes(12).toString("hex"));
    return new BlobWriter(await open(path, "wx"), path, (digest) => this.#path(digest) ?? "");
  }

  /** @returns the digest that the index has under a name; undefined where there is no index or no such name */
  async resolve(name: string): Promise<string | undefined> {
    return (await this.#readIndex()).find(({ annotations }) => annotations?.[nameKey] === name)?.digest;
  }

  /**
   * Puts a descriptor into the index under a name, in place of what had it.
   * @param more annotations that are part of the name
   */
  async tag(name: string, descriptor: Descriptor, more: Readonly<Record<string, string>> = {}): Promise<void> {
    const marks = { ...more, [nameKey]: name };
    const has = ({ annotations }: Descriptor) =>
      Object.entries(marks).every(([key, value]) => annotations?.[key] === value);
    const others = (await this.#readIndex()).filter((other) => !has(other));
    const named = { ...descriptor, annotations: { ...descriptor.annotations, ...marks } };
    const index = { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json" };
    await this.#replace("index.json", { ...index, manifests: [...others, named] });
    await this.#replace("oci-layout", { imageLayoutVersion: "1.0.0" });
  }

  async #readIndex(): Promise<readonly Descriptor[]> {
    const path = join(this.#folder, "index.json");
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text === undefined) return [];
    try {
      if (text.length > maxIndexBytes) throw new Error(`it has more than ${maxIndexBytes} bytes`);
      const { manifests = [] } = JSON.parse(text) as { manifests?: readonly Descriptor[] };
      return manifests;
    } catch (cause) {
      throw new BuilderError("output_failed", `"${path}" is no index of an image layout: ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  async #replace(file: string, value: unknown): Promise<void> {
    const temporary = join(this.#folder, `${file}.${randomBytes(6).toString("hex")}`);
    try {
      await writeFile(temporary, JSON.stringify(value));
      await rename(temporary, join(this.#folder, file));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  #path(digest: string): string | undefined {
    const hex = digestPattern.exec(digest)?.groups?.hex;
    return hex === undefined ? undefined : join(this.#folder, "blobs", "sha256", hex);
  }
}

/** A blob that is being written. */
export class BlobWriter {
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #placeOf: (digest: string) => string;
  readonly #hash = createHash("sha256");
  #bytes = 0;
  #isOpen = true;

  constructor(handle: FileHandle, path: string, placeOf: (digest: string) => string) {
    this.#handle = handle;
    this.#path = path;
    this.#placeOf = placeOf;
  }

  get bytes(): number {
    return this.#bytes;
  }

  async add(data: Uint8Array): Promise<void> {
    this.#hash.update(data);
    await this.#handle.writeFile(data);
    this.#bytes += data.length;
  }

  /**
   * Ends the blob and puts it into place.
   * @param expected the digest that it shall have; "" = whichever
   * @returns its digest
   * @throws Error where it has another one
   */
  async commit(expected: string): Promise<string> {
    const digest = `sha256:${this.#hash.digest("hex")}`;
    if (expected !== "" && expected !== digest) throw new Error(`blob "${expected}" came as "${digest}"`);
    this.#isOpen = false;
    await this.#handle.close();
    await rename(this.#path, this.#placeOf(digest));
    return digest;
  }

  /** Removes what was not committed. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOpen) await this.#handle.close();
    await rm(this.#path, { force: true });
  }
}

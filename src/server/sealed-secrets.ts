import nacl from "tweetnacl";
import { BuilderError, messageOf } from "../errors.ts";
import { boxAlgorithm, decodeBase64, sealedFileName, sealedFileVersion } from "../model/sealed-file.ts";
import { parseYaml } from "../model/yaml.ts";
import type { YamlValue } from "../model/yaml-value.ts";
import type { BoxKey } from "./box-keys.ts";

/** Of the whole file. */
export const maxSecretsBytes = 1024 * 1024;

const nonceBytes = nacl.box.nonceLength;
/** BuildKit takes no larger one. */
const maxSecretBytes = 500 * 1024;
const maxSecrets = 100;
const idForm = /^[\x21-\x7e]{1,255}$/;

/**
 * Opens sealed secrets.
 * @param keys all that may open them, older ones too
 * @returns their bytes by id, to be overwritten with `forgetSecrets` when they were used
 * @throws BuilderError `body_invalid` naming the field or the id, never a value; `not_configured` without keys
 */
export function openSecrets(text: string, keys: readonly BoxKey[]): Readonly<Record<string, Uint8Array>> {
  const fields = readFields(text);
  const field = (name: string) => readText(fields.get(name), name);
  if (field("version") !== sealedFileVersion) {
    throw fault(`version "${shown(field("version"))}" is not known: expected ${sealedFileVersion}`);
  }
  const algorithm = field("algorithm") || boxAlgorithm;
  if (algorithm !== boxAlgorithm) throw fault(`algorithm "${shown(algorithm)}" is not known: expected ${boxAlgorithm}`);
  const sender = decodeBase64(field("public_key"));
  if (sender?.length !== nacl.box.publicKeyLength) throw fault("public_key is no key: expected base64 of 32 bytes");
  const key = findKey(field("key_id"), keys);
  const sealed = readMap(fields.get("secrets"));
  if (sealed.length > maxSecrets) throw fault(`there are more than ${maxSecrets} secrets`);
  // Without prototype: an id named __proto__ is an id like any other.
  const opened: Record<string, Uint8Array> = Object.create(null);
  for (const [id, value] of sealed) opened[id] = openOne(id, readText(value, id), { sender, key });
  return opened;
}

/** Overwrites secrets that nobody needs any more. */
export function forgetSecrets(secrets: Readonly<Record<string, Uint8Array>>): void {
  for (const bytes of Object.values(secrets)) bytes.fill(0);
}

function readFields(text: string): ReadonlyMap<string, YamlValue> {
  try {
    return parseYaml(text, sealedFileName).fields();
  } catch (cause) {
    throw fault(`it cannot be read: ${messageOf(cause)}`);
  }
}

function readMap(value: YamlValue | undefined): readonly (readonly [string, YamlValue])[] {
  try {
    return [...(value?.fields() ?? [])];
  } catch {
    throw fault("secrets is no map");
  }
}

function readText(value: YamlValue | undefined, name: string): string {
  try {
    return value?.text() ?? "";
  } catch {
    throw fault(`${shown(name)} is no text`);
  }
}

function findKey(id: string, keys: readonly BoxKey[]): BoxKey {
  if (keys.length === 0) {
    throw new BuilderError("not_configured", "this server has no key for build secrets", {
      fix: "Make one with of-builder keygen, and put it into the secrets' folder as build-secrets-key.",
    });
  }
  const key = keys.find((candidate) => candidate.id === id);
  if (key) return key;
  throw fault(`key_id "${shown(id)}" names no key of this server`, "Fetch /publickey again, and seal for that key.");
}

function openOne(id: string, text: string, { sender, key }: { sender: Uint8Array; key: BoxKey }): Uint8Array {
  const name = `secret "${shown(id)}"`;
  if (!idForm.test(id)) throw fault(`${name} has an id that is none: expected up to 255 signs without spaces`);
  const sealed = decodeBase64(text);
  if (!sealed) throw fault(`${name} is no base64`);
  if (sealed.length < nonceBytes + nacl.box.overheadLength) throw fault(`${name} is too short to be sealed`);
  if (sealed.length > nonceBytes + nacl.box.overheadLength + maxSecretBytes) {
    throw fault(`${name} is larger than ${maxSecretBytes} bytes`);
  }
  const opened = nacl.box.open(sealed.subarray(nonceBytes), sealed.subarray(0, nonceBytes), sender, key.secretKey);
  if (!opened) throw fault(`${name} cannot be opened: it was changed, or sealed for another key`);
  return opened;
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 100)).slice(1, -1);
}

function fault(message: string, fix = "Seal the secrets again, for the key at /publickey."): BuilderError {
  return new BuilderError("body_invalid", `${sealedFileName}: ${message}`, { fix });
}

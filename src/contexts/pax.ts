/** What PAX records say of the entry after them; other keys are nobody's business. */
export interface PaxRecords {
  path?: Buffer;
  linkPath?: Buffer;
  size?: number;
  modifiedNs?: bigint;
}

const space = 0x20;
const newline = 0x0a;
const equals = 0x3d;

/**
 * Parses the body of a PAX extended header: records of the form "LENGTH KEY=VALUE\n", LENGTH in decimal and counting
 * the whole record. The tar package's own reader splits at line ends, cuts values at NUL and passes over what it does
 * not understand; of an archive that is served to a builder each of these would show different files to different
 * readers. Here every fault is an error.
 * @throws Error with a sentence about the header
 */
export function parsePax(body: Buffer): PaxRecords {
  const records: PaxRecords = {};
  for (let offset = 0; offset < body.length; ) {
    const end = offset + recordLength(body, offset);
    const text = body.subarray(body.indexOf(space, offset) + 1, end - 1);
    const at = text.indexOf(equals);
    if (at < 1) throw new Error('has a PAX record without "="');
    keep(records, text.toString("latin1", 0, at), text.subarray(at + 1));
    offset = end;
  }
  return records;
}

function recordLength(body: Buffer, offset: number): number {
  const digits = body.toString("latin1", offset, offset + 8).split(" ", 1)[0] ?? "";
  const length = /^[1-9]\d{0,6}$/.test(digits) ? Number(digits) : 0;
  if (length < digits.length + 2 || offset + length > body.length || body[offset + length - 1] !== newline) {
    throw new Error("has a PAX record whose length is wrong");
  }
  return length;
}

function keep(records: PaxRecords, key: string, value: Buffer): void {
  if (key === "path" || key === "linkpath") {
    if (value.includes(0)) throw new Error(`has a PAX ${key} with a NUL`);
    if (key === "path") records.path = Buffer.from(value);
    else records.linkPath = Buffer.from(value);
  } else if (key === "size") {
    records.size = parseSize(value.toString("latin1"));
  } else if (key === "mtime") {
    records.modifiedNs = parseTime(value.toString("latin1"));
  } else if (key.startsWith("GNU.sparse.") || key === "SCHILY.realsize") {
    // The second one is star's: bsdtar takes it for the file's size, the others pass over it.
    throw new Error("is a sparse file, which is not accepted");
  }
}

function parseSize(text: string): number {
  const size = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(size)) throw new Error("has a PAX size that is no size");
  return size;
}

/** Seconds with any number of decimals, possibly negative, to nanoseconds. */
function parseTime(text: string): bigint {
  const [, sign, seconds = "", decimals = ""] = /^(-?)(\d{1,12})(?:\.(\d*))?$/.exec(text) ?? [];
  if (seconds === "") throw new Error("has a PAX mtime that is no time");
  const ns = BigInt(seconds) * 1_000_000_000n + BigInt(decimals.slice(0, 9).padEnd(9, "0"));
  return sign === "-" ? -ns : ns;
}

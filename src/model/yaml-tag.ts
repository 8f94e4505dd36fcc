import type { Scalar } from "yaml";

/** What YAML takes for nothing where it stands unquoted. */
export const nullWords: ReadonlySet<string> = new Set(["", "~", "null", "Null", "NULL"]);

const prefix = "tag:yaml.org,2002:";
const date = /^[0-9]{4}-(?:0?[1-9]|1[0-2])-[0-9]{1,2}/;
const clock = /^[Tt ][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?/;
const number = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;

/** What Go's decoder takes behind a tag, quoted or not; behind all other tags it takes anything. */
const forms: ReadonlyMap<string, { readonly name: string; takes(text: string): boolean }> = new Map([
  ["bool", { name: "true or false", takes: (text: string) => /^(?:true|True|TRUE|false|False|FALSE)$/.test(text) }],
  ["int", { name: "a whole number", takes: isInteger }],
  ["float", { name: "a number", takes: (text: string) => isInteger(text) || isFloat(text) }],
  ["null", { name: "nothing, ~ or null", takes: (text: string) => nullWords.has(text) }],
  ["timestamp", { name: "a date", takes: isDate }],
  ["binary", { name: "base64", takes: isBase64 }],
]);

/**
 * What is wrong with a scalar whose tag says that it is another kind of value.
 * @returns undefined where Go's decoder would take it
 */
export function tagFault({ tag, value, source }: Scalar): string | undefined {
  const form = tag?.startsWith(prefix) ? forms.get(tag.slice(prefix.length)) : undefined;
  const text = source ?? String(value);
  if (!form || form.takes(text)) return undefined;
  return `expected ${form.name} behind !!${tag?.slice(prefix.length)}, found ${JSON.stringify(text.slice(0, 60))}`;
}

function isInteger(text: string): boolean {
  const [, sign = "", digits = ""] =
    /^([-+]?)(0b[01]+|0o?[0-7]*|0x[0-9a-f]+|[1-9][0-9]*)$/i.exec(text.replaceAll("_", "")) ?? [];
  // BigInt would take its time for a mebibyte of digits; Go's largest number has 64 of two.
  if (digits === "" || digits.length > 66 || /^0[bo]$/i.test(digits)) return false;
  const size = BigInt(digits.replace(/^0(?=[0-7])/, "0o"));
  return sign === "-" ? size <= 2n ** 63n : size < 2n ** 64n;
}

function isFloat(text: string): boolean {
  const plain = text.replaceAll("_", "");
  if (number.test(plain)) return Number.isFinite(Number(plain));
  return /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/.test(text);
}

/** A date alone, or with a time behind a blank, or behind a T with its zone. Days of months that are shorter are Go's to know. */
function isDate(text: string): boolean {
  const behind = date.test(text) ? text.replace(date, "") : undefined;
  if (behind === undefined || behind === "") return behind === "";
  const zone = clock.test(behind) ? behind.replace(clock, "") : undefined;
  return behind.startsWith(" ") ? zone === "" : zone !== undefined && /^(?:Z|[-+][0-9]{2}:[0-9]{2})$/.test(zone);
}

function isBase64(text: string): boolean {
  const plain = text.replaceAll(/[\r\n]/g, "");
  return plain.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(plain);
}

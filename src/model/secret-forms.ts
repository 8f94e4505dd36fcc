/** Shorter values would strike out ordinary words. */
const minValue = 6;
/** Of what is left of a value when it is encoded, or of one line of it. */
const minForm = 8;

/**
 * Every form in which a secret may be printed: as it is, each line of it, in base64 (of both alphabets, at every offset
 * from the beginning of what was encoded), in hex, and as URLs, forms and JSON have it. Without line ends: whoever
 * looks for forms leaves those of the text out, too.
 * @returns none for a value of fewer than six characters
 */
export function secretForms(value: string): readonly string[] {
  const text = value.trim();
  if (text.length < minValue) return [];
  const forms = new Set([text]);
  for (const whole of [value, text]) for (const form of encodings(whole)) forms.add(form);
  for (const line of linesOf(text)) {
    forms.add(line);
    for (const form of encodings(line)) forms.add(form);
  }
  const flat = [...forms].map((form) => form.replaceAll(/[\r\n]/g, "")).filter((form) => form.length >= minValue);
  return [...new Set(flat)];
}

/** Of a text of several lines, those that are no frame such as "-----BEGIN RSA PRIVATE KEY-----". */
function linesOf(text: string): readonly string[] {
  const lines = text.split(/[\r\n]+/).map((line) => line.trim());
  return lines.length === 1 ? [] : lines.filter((line) => line.length >= minForm && !line.startsWith("-----"));
}

function encodings(text: string): readonly string[] {
  const bytes = Buffer.from(text);
  const hex = bytes.toString("hex");
  const percent = encodeURIComponent(text.toWellFormed());
  const json = JSON.stringify(text).slice(1, -1);
  const forms = [
    ...[0, 1, 2].flatMap((offset) => base64At(bytes, offset)),
    hex,
    hex.toUpperCase(),
    percent,
    percent.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    new URLSearchParams({ x: text }).toString().slice(2),
    json,
    json.replaceAll("/", "\\/"),
    JSON.stringify(json).slice(1, -1),
    asciiJson(json),
    [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join(""),
  ];
  return forms.filter((form) => form.length >= minForm);
}

/** Only the signs that no byte before or behind the secret has a part in. */
function base64At(bytes: Buffer, offset: number): readonly string[] {
  const all = Buffer.concat([Buffer.alloc(offset), bytes]);
  const form = all.toString("base64").slice(Math.ceil((offset * 8) / 6), Math.floor((all.length * 8) / 6));
  return [form, form.replaceAll("+", "-").replaceAll("/", "_")];
}

function asciiJson(json: string): string {
  return json.replaceAll(/[^\0-\x7f]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

import { createHmac } from "node:crypto";
import { Webhooks } from "@octokit/webhooks";
import { expect, test } from "vitest";
import { checkSignature } from "../../src/github/signature.ts";

const secret = "It's a Secret to Everybody";
const body = Buffer.from("Hello, World!");
/** GitHub's own vector. */
const hex = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

test.for([
  ["as GitHub documents it", `sha256=${hex}`, [secret]],
  ["in upper case", `SHA256=${hex.toUpperCase()}`, [secret]],
  ["made with the older of two secrets", `sha256=${hex}`, ["new", secret]],
  ["made with the newer of two secrets", `sha256=${hex}`, [secret, "old"]],
  ["beside an empty secret", `sha256=${hex}`, ["", secret]],
] as const)("a signature %s holds", ([, header, secrets]) => {
  expect(checkSignature(body, header, secrets)).toBeUndefined();
});

test.for([
  ["W1 no signature", undefined, "signature_missing"],
  ["W1 a blank signature", "", "signature_missing"],
  ["W1 a short signature", `sha256=${hex.slice(0, 63)}`, "signature_wrong"],
  ["W1 a long signature", `sha256=${hex}0`, "signature_wrong"],
  ["W1 a signature that is not hex", `sha256=${hex.slice(0, 63)}g`, "signature_wrong"],
  ["W1 sha1 in the place of sha256", `sha1=${hex.slice(0, 40)}`, "signature_wrong"],
  ["W1 a right SHA-1 signature", `sha1=${createHmac("sha1", secret).update(body).digest("hex")}`, "signature_wrong"],
  ["hex without its algorithm", hex, "signature_wrong"],
  ["two signatures in one header", `sha256=${hex}, sha256=${hex}`, "signature_wrong"],
  ["one wrong digit", `sha256=0${hex.slice(1)}`, "signature_wrong"],
  [
    "the signature of the empty secret",
    `sha256=${createHmac("sha256", "").update(body).digest("hex")}`,
    "signature_wrong",
  ],
] as const)("%s is refused", ([, header, code]) => {
  expect(() => checkSignature(body, header, [secret, ""])).toThrow(expect.objectContaining({ code }));
});

test.for([0, 1, 31, 63, 65, 128, 10_000])(
  "W8 a signature of %i digits is refused before it is compared: comparing would throw, or take another time",
  (digits) => {
    const refused = expect(() => checkSignature(body, `sha256=${"0".repeat(digits)}`, [secret]));
    refused.toThrow(expect.objectContaining({ code: "signature_wrong" }));
  },
);

test("W2 a signature over re-serialised JSON is refused", () => {
  const raw = Buffer.from('{"b": "\\u00e9", "a": 1}');
  const again = JSON.stringify(JSON.parse(raw.toString()));
  const header = `sha256=${createHmac("sha256", secret).update(again).digest("hex")}`;
  expect(() => checkSignature(raw, header, [secret])).toThrow(expect.objectContaining({ code: "signature_wrong" }));
});

test("W3 bytes that are no UTF-8 are verified as they are", () => {
  const raw = Buffer.from([0xff, 0xfe, 0x00]);
  const header = `sha256=${createHmac("sha256", secret).update(raw).digest("hex")}`;
  expect(checkSignature(raw, header, [secret])).toBeUndefined();
  const replaced = Buffer.from(raw.toString("utf8"));
  expect(() => checkSignature(replaced, header, [secret])).toThrow(
    expect.objectContaining({ code: "signature_wrong" }),
  );
});

test("what GitHub's own library signs holds", async () => {
  const header = await new Webhooks({ secret }).sign(body.toString());
  expect(checkSignature(body, header, [secret])).toBeUndefined();
});

test.for([[[]], [[""]]] as const)("without a secret nothing is trusted: %j", ([secrets]) => {
  const header = `sha256=${createHmac("sha256", "").update(body).digest("hex")}`;
  expect(() => checkSignature(body, header, secrets)).toThrow(expect.objectContaining({ code: "setting_invalid" }));
});

import { createPrivateKey } from "node:crypto";
import { BuilderError } from "../errors.ts";

/**
 * Brings an App's private key into the one form that everything takes. Keys come as GitHub's download has them
 * (PKCS#1), as others convert them (PKCS#8), and with "\n" written out where they went through an environment file.
 * @returns PKCS#8 in PEM
 * @throws BuilderError `setting_invalid`, which never quotes the key
 */
export function parsePrivateKey(text: string): string {
  const pem = text.trim().replaceAll("\\n", "\n").replaceAll("\r", "");
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType !== "rsa") throw new Error(`it is ${key.asymmetricKeyType}`);
    return key.export({ type: "pkcs8", format: "pem" }).toString();
  } catch (cause) {
    throw new BuilderError("setting_invalid", "the GitHub App's private key is not an RSA key in PEM", {
      cause,
      fix: "Put the .pem file that GitHub made for the App into the file private-key.",
    });
  }
}

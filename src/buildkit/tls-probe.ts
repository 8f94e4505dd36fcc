import { connect as connectTls } from "node:tls";
import type { Endpoint } from "./address.ts";

const limitMs = 3000;

/**
 * Finds out whether what answers without a word that we understand speaks TLS: it is greeted so. Nothing is sent over
 * the connection, and its certificate does not matter.
 */
export async function speaksTls(endpoint: Endpoint, { signal }: { signal: AbortSignal }): Promise<boolean> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  try {
    const socket = await endpoint.dial({ signal: limit });
    const secured = connectTls({ socket, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
    try {
      return await new Promise<boolean>((resolve) => {
        limit.addEventListener("abort", () => resolve(false), { once: true });
        secured.once("secureConnect", () => resolve(true));
        secured.once("close", () => resolve(false));
        // An alert is a word of TLS, too: this one wants a certificate of ours, or a protocol that we did not offer.
        secured.once("error", ({ code = "" }: NodeJS.ErrnoException) => resolve(/ALERT/u.test(code)));
      });
    } finally {
      secured.destroy();
      socket.destroy();
    }
  } catch {
    return false;
  }
}

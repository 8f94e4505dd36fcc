import { readFileSync, statSync } from "node:fs";
import { isIP, type Socket } from "node:net";
import { checkServerIdentity, connect, createSecureContext, type SecureContext } from "node:tls";
import { BuilderError, messageOf } from "../errors.ts";

/** What a connection over TLS takes; files are PEM. */
export interface TlsFiles {
  /** Who may have signed the daemon's certificate; the system's own list where absent. */
  readonly ca?: string | undefined;
  /** Our certificate and its key, for a daemon that wants to know its clients. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name that the daemon's certificate has to be for, where it is not that of the address. */
  readonly serverName?: string | undefined;
}

/** Turns a connected socket into one that speaks TLS; rejects with why the other side is not trusted. */
export type Secure = (
  socket: Socket,
  options: { protocols: readonly string[]; signal: AbortSignal },
) => Promise<Socket>;

/**
 * Creates the way to speak TLS with a daemon. The files are looked at for each new connection and read again when they
 * have changed, so that certificates may be replaced while we run. While a replacement is half done (the new
 * certificate and the old key) the pair before it stays in use.
 * @param host of the address: the name that the certificate has to be for, unless the files say another
 * @throws BuilderError `setting_invalid` where the files are of no use from the start
 */
export function createTls(files: TlsFiles, host: string): Secure {
  const currentContext = watchFiles(files);
  const name = files.serverName ?? host;
  return async (socket, { protocols, signal }) => {
    const secured = connect({
      socket,
      secureContext: currentContext(),
      ...(isIP(name) === 0 && { servername: name }),
      checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
      ALPNProtocols: [...protocols],
    });
    secured.on("error", () => undefined);
    await untilSecure(secured, signal);
    return secured;
  };
}

function untilSecure(socket: Socket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => void socket.destroy(signal.reason);
    const settle = (end: () => void) => {
      signal.removeEventListener("abort", abort);
      end();
    };
    socket.once("secureConnect", () => settle(resolve));
    socket.once("error", (error) => settle(() => reject(error)));
    socket.once("close", () => settle(() => reject(new Error("the connection was closed during the TLS handshake"))));
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
}

function watchFiles({ ca, cert, key }: TlsFiles): () => SecureContext {
  if ((cert === undefined) !== (key === undefined)) {
    throw fault(`there is ${cert === undefined ? "a key without its certificate" : "a certificate without its key"}`);
  }
  const files = [ca, cert, key].filter((file) => file !== undefined);
  const read = () => ({ version: files.map(versionOf).join(), context: readContext({ ca, cert, key }) });
  let known: ReturnType<typeof read>;
  try {
    known = read();
  } catch (error) {
    throw fault(messageOf(error), error);
  }
  return () => {
    try {
      if (known.version !== files.map(versionOf).join()) known = read();
    } catch {
      // Half a replacement: the rest follows.
    }
    return known.context;
  };
}

/** Mounted secrets are replaced by turning a link, others are written over: the file behind the name counts. */
function versionOf(file: string): string {
  const { ino, size, mtimeNs } = statSync(file, { bigint: true });
  return `${ino} ${size} ${mtimeNs}`;
}

function readContext({ ca, cert, key }: TlsFiles): SecureContext {
  return createSecureContext({
    ...(ca !== undefined && { ca: readFileSync(ca) }),
    ...(cert !== undefined && { cert: readFileSync(cert) }),
    ...(key !== undefined && { key: readFileSync(key) }),
  });
}

function fault(why: string, cause?: unknown): BuilderError {
  return new BuilderError("setting_invalid", `the TLS files for BuildKit cannot be used: ${why}`, {
    cause,
    fix: "Correct buildkit_tls_ca, buildkit_tls_cert and buildkit_tls_key: PEM files, and a key that belongs to the certificate.",
  });
}

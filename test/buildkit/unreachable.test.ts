import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { createBuildkit } from "../../src/buildkit/client.ts";
import type { TlsFiles } from "../../src/buildkit/tls-files.ts";
import type { BuilderError } from "../../src/errors.ts";
import { createLog } from "../../src/log.ts";
import { createAuthority, createCertificate } from "./certificates.ts";
import { createScratch } from "./scratch-folder.ts";

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A port whose queue of connections is full: the system answers no further one, as where a firewall drops them. */
async function startUnreached(): Promise<string> {
  const script =
    "const s = require('node:net').createServer().listen({port: 0, host: '127.0.0.1', backlog: 1}, () => {" +
    "console.log(s.address().port); process.kill(process.pid, 'SIGSTOP') })";
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line] = await once(child.stdout, "data");
  const port = Number(String(line));
  for (let waiting = 0; waiting < 4; waiting++) {
    const socket = connect(port, "127.0.0.1").on("error", () => undefined);
    onTestFinished(() => void socket.destroy());
  }
  return `tcp://127.0.0.1:${port}`;
}

async function faultAt(address: string, tls?: TlsFiles): Promise<BuilderError> {
  const client = createBuildkit({ address, tls, log: createLog("silent") });
  try {
    return await client.check({ signal: new AbortController().signal }).then(
      () => expect.unreachable(),
      (error: BuilderError) => error,
    );
  } finally {
    client.close();
  }
}

test.for<{ what: string; at: (folder: string) => Promise<string>; says: RegExp; fix: RegExp }>([
  {
    what: "nothing listens",
    at: async () => "tcp://127.0.0.1:1",
    says: /does not answer: connect ECONNREFUSED 127\.0\.0\.1:1$/,
    fix: /^Nothing listens there: start buildkitd/,
  },
  {
    what: "there is no socket",
    at: async (folder) => `unix://${folder}/none.sock`,
    says: /does not answer: connect ENOENT \S+none\.sock$/,
    fix: /^There is no such socket/,
  },
  {
    what: "the name of the host is not known",
    at: async () => "tcp://no-such-host.invalid:1234",
    says: /does not answer: Name resolution failed/,
    fix: /^The host's name is not known here/,
  },
  {
    what: "a web server answers",
    at: async () => listen(createHttpServer((_, response) => response.end("hello"))),
    says: /does not answer: Protocol error$/,
    fix: /^What answers there is not buildkitd/,
  },
  {
    what: "a web server of HTTP/2 answers",
    at: async () =>
      listen(createHttp2Server((_, response) => void response.writeHead(404).end("no such page")) as unknown as Server),
    says: /does not answer: Received HTTP status code 404$/,
    fix: /^What answers there is not buildkitd/,
  },
  {
    what: "no connection comes about",
    at: startUnreached,
    says: /does not answer: no connection came about$/,
    fix: /^There is no way to the host: check the network/,
  },
  {
    what: "a Docker engine's socket is not there",
    at: async (folder) => `docker://${folder}/none.sock`,
    says: /does not answer: connect ENOENT \S+none\.sock$/,
    fix: /^There is no such socket: start the Docker engine/,
  },
  {
    what: "a web server is taken for a Docker engine",
    at: async () =>
      (await listen(createHttpServer((_, response) => response.end("hello")))).replace(/^tcp:/, "docker:"),
    says: /a Docker engine with BuildKit was expected, and this answered "HTTP\/1\.1 200 OK"$/,
    fix: /^Correct the address, or update the Docker engine/,
  },
  {
    what: "connections are closed at once",
    at: async () => listen(createServer((socket) => void socket.on("error", () => undefined).resetAndDestroy())),
    says: /does not answer: .*(ECONNRESET|closed|ended|hang up)/,
    fix: /^The connection broke off: see whether buildkitd was restarted/,
  },
  {
    what: "something speaks another protocol",
    at: async () => listen(createServer((socket) => void socket.on("error", () => undefined).write("SSH-2.0-x\r\n"))),
    says: /does not answer: Protocol error$/,
    fix: /^What answers there is not buildkitd/,
  },
  {
    what: "connections are taken and nothing is said",
    at: async () => listen(createServer((socket) => void socket.on("error", () => undefined).resume())),
    says: /does not answer: nothing was heard for 5 s$/,
    fix: /^It takes connections and does not answer: look at buildkitd's log/,
  },
])("where $what the message says it and what to do", async ({ at, says, fix }) => {
  const fault = await faultAt(await at(await createScratch()));
  expect(fault.code).toBe("buildkit_unreachable");
  expect(fault.message).toMatch(says);
  expect(fault.fix).toMatch(fix);
});

async function createCertificates() {
  const folder = await createScratch();
  const authority = await createAuthority(folder, "authority");
  const server = await createCertificate(folder, { name: "server", names: ["IP:127.0.0.1"], authority });
  const [cert, key, ca] = await Promise.all([server.cert, server.key, authority.cert].map((path) => readFile(path)));
  return { authority, options: { cert, key, ca, ALPNProtocols: ["h2"] } };
}

test.for([{ requestCert: false }, { requestCert: true }])(
  "a daemon that speaks TLS is told from one that is not there (it wants certificates: $requestCert)",
  async ({ requestCert }) => {
    const { options } = await createCertificates();
    const server = createTlsServer({ ...options, requestCert, rejectUnauthorized: requestCert }, (socket) => {
      socket.on("error", () => undefined);
    });
    const fault = await faultAt(await listen(server));
    expect(fault).toMatchObject({
      code: "buildkit_refused",
      transient: false,
      message: expect.stringContaining("speaks TLS, and is spoken to without"),
      fix: expect.stringContaining("buildkit_tls_ca"),
    });
  },
);

test("a plain daemon that is spoken to with TLS is told as that", async () => {
  const { authority } = await createCertificates();
  const address = await listen(
    createServer((socket) => void socket.on("error", () => undefined).write("\0\0\0\x04\0")),
  );
  const fault = await faultAt(address, { ca: authority.cert });
  expect(fault.fix).toMatch(/^What answers there does not speak TLS/);
});

test("a daemon whose certificate nobody here trusts is told as that", async () => {
  const { options } = await createCertificates();
  const server = createTlsServer(options, (socket) => void socket.on("error", () => undefined));
  const fault = await faultAt(await listen(server), {});
  expect(fault.message).toMatch(/self-signed certificate|unable to verify/);
  expect(fault.fix).toMatch(/^Correct the TLS settings/);
});

import { randomBytes } from "node:crypto";
import type { MethodDefinition } from "@grpc/grpc-js";
import nacl from "tweetnacl";
import { expect, test } from "vitest";
import { createAuth } from "../../src/buildkit/auth.ts";
import { AuthService } from "../../src/buildkit/generated/session.ts";
import { openSessionPeer, type SessionPeer } from "./session-peer.ts";

const host = "registry.example";

/** A session whose build has something to sign in with at one host. */
function openAuth(): Promise<SessionPeer> {
  const tokens = {
    isOffered: async (asked: string) => asked === host,
    fetch: async () => ({ token: "t", expiresInSeconds: 60, issuedAtSeconds: 1 }),
  };
  return openSessionPeer(new Map(createAuth(async () => undefined, tokens)));
}

/** Asks as the daemon does; throws the status where it is not a good one. */
async function ask<Request, Response>(
  peer: SessionPeer,
  method: MethodDefinition<Request, Response>,
  request: Request,
): Promise<Response> {
  let answer: Response | undefined;
  const call = peer.call(method.path, (message) => {
    answer = method.responseDeserialize(Buffer.from(message));
  });
  call.say(method.requestSerialize(request));
  call.stream.end();
  const { code, message } = await call.ended;
  if (answer === undefined) throw new Error(`status ${code}: ${message}`);
  return answer;
}

function keyOf(peer: SessionPeer, salt: Buffer, of = host): Promise<Buffer> {
  return ask(peer, AuthService.getTokenAuthority, { host: of, salt }).then(({ publicKey }) => publicKey);
}

test("what a build signs is opened, as NaCl does it, by the key that it told the daemon", async () => {
  const peer = await openAuth();
  const salt = randomBytes(32);
  const key = await keyOf(peer, salt);
  expect(key).toHaveLength(nacl.sign.publicKeyLength);
  const payload = randomBytes(32);
  const { signed } = await ask(peer, AuthService.verifyTokenAuthority, { host, payload, salt });
  expect(Buffer.from(nacl.sign.open(signed, key) ?? []).equals(payload)).toBe(true);
});

test("another build, and another run of the daemon, have another key: its signature opens nothing of this one", async () => {
  const [peer, other] = [await openAuth(), await openAuth()];
  const [salt, later] = [randomBytes(32), randomBytes(32)];
  const key = await keyOf(peer, salt);
  expect((await keyOf(peer, salt)).equals(key)).toBe(true);
  const payload = randomBytes(32);
  for (const [who, of] of [[other, salt] as const, [peer, later] as const]) {
    const { signed } = await ask(who, AuthService.verifyTokenAuthority, { host, payload, salt: of });
    expect(nacl.sign.open(signed, key)).toBeNull();
  }
});

test("where there is nothing to sign in with, the daemon is told that it is on its own", async () => {
  const peer = await openAuth();
  const [salt, payload] = [randomBytes(32), randomBytes(32)];
  const nobody = "other.example";
  await expect(keyOf(peer, salt, nobody)).rejects.toThrow(/^status 14: /);
  const verify = ask(peer, AuthService.verifyTokenAuthority, { host: nobody, payload, salt });
  await expect(verify).rejects.toThrow(/^status 14: /);
});

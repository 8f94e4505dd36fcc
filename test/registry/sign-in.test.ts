import type { IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { createPermit } from "../../src/registry/permit.ts";
import { createSignIn } from "../../src/registry/sign-in.ts";
import { startHttpServer } from "./http-server.ts";

const signal = AbortSignal.timeout(30_000);
const alex = { username: "alex", password: "s3cret" };

/** A registry that answers every question with one challenge, and the sign-in of a build that pushes there. */
async function startScene(challenge: string) {
  const seen: IncomingMessage[] = [];
  const registry = await startHttpServer((request, response) => {
    seen.push(request);
    if (request.url?.startsWith("/token")) response.end(JSON.stringify({ token: "t", expires_in: 7 }));
    else response.writeHead(401, { "www-authenticate": challenge.replace("HOST", registry.host) }).end();
  });
  const permit = createPermit({ images: [`${registry.host}/alex/one:1`], patterns: [] });
  const signIn = createSignIn({ lookUp: async () => alex, permit, isPlain: async () => true });
  const ask = (realm: string, scopes = ["repository:alex/one:pull,push"]) =>
    signIn.token({ host: registry.host, realm, service: "here", scopes }, { signal });
  return { registry, seen, signIn, ask, [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose]() };
}

const bearer = 'Bearer realm="http://HOST/token",service="here"';

test("a token is got where the registry says, and how long it holds is told", async () => {
  await using scene = await startScene(bearer);
  const token = await scene.ask(`http://${scene.registry.host}/token`);
  expect(token).toMatchObject({ token: "t", expiresInSeconds: 7 });
  expect(scene.seen.at(-1)?.url).toBe("/token?service=here&scope=repository%3Aalex%2Fone%3Apull%2Cpush");
});

test("scopes that the build has no right to are not asked for in its name", async () => {
  await using scene = await startScene(bearer);
  await scene.ask(`http://${scene.registry.host}/token`, ["repository:alex/one:push", "repository:kim/two:pull"]);
  expect(scene.seen.at(-1)?.url).toBe("/token?service=here&scope=repository%3Aalex%2Fone%3Apush");
  expect(scene.seen.at(-1)?.headers.authorization).toMatch(/^Basic /);
  await scene.ask(`http://${scene.registry.host}/token`, ["repository:kim/two:pull"]);
  expect(scene.seen.at(-1)?.headers.authorization).toBeUndefined();
});

test.for([
  ["another host", "https://evil.example/token"],
  ["another port", "http://127.0.0.1:1/token"],
  ["another path", "http://HOST/other"],
  ["a user in front", "http://HOST@evil.example/token"],
  ["no address", "token"],
] as const)("W16 a realm that the registry does not name gets nothing: %s", async ([, realm]) => {
  await using scene = await startScene(bearer);
  await expect(scene.ask(realm.replace("HOST", scene.registry.host))).rejects.toMatchObject({
    code: "registry_denied",
    message: expect.stringContaining("which that registry does not name"),
  });
  expect(scene.seen.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
});

test.for([
  ["http", 'Bearer realm="http://token.example/token"', "http://token.example/token"],
  ["a file", 'Bearer realm="file:///etc/passwd"', "file:///etc/passwd"],
] as const)(
  "W16 a realm that the registry itself names has to be https or its own: %s",
  async ([, challenge, realm]) => {
    await using scene = await startScene(challenge);
    await expect(scene.ask(realm)).rejects.toMatchObject({ code: "registry_denied" });
  },
);

test("the password is answered where it is the only way, and kept where there are tokens", async () => {
  await using basic = await startScene('Basic realm="here"');
  expect(await basic.signIn.credentials(basic.registry.host, { signal })).toEqual(alex);
  await using tokens = await startScene(bearer);
  expect(await tokens.signIn.credentials(tokens.registry.host, { signal })).toBeUndefined();
});

import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, inject, test } from "vitest";
import { createInstallation, owner, type Serving, stackOf } from "./serving.ts";

/** A server of git between ours and the templates' own: it takes the first request and holds it until it is let go. */
async function startHolding(upstream: string) {
  const asked = Promise.withResolvers<void>();
  const going = Promise.withResolvers<void>();
  const server = createServer(async (incoming, response) => {
    asked.resolve();
    await going.promise;
    const { method, headers, url = "/" } = incoming;
    const forward = request(new URL(url, upstream), { method, headers });
    // Whoever asked may have been killed meanwhile.
    for (const stream of [incoming, response, forward]) stream.on("error", () => forward.destroy());
    forward.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(forward);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: asked.promise,
    letGo: going.resolve,
    async [Symbol.asyncDispose]() {
      going.resolve();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const template = (line: string) => ({
  "template/small/Dockerfile": `FROM busybox\nCOPY function/ /fn/\nRUN ${line}\n`,
});
const own = stackOf({ own: "FROM busybox\nRUN echo own\n" });
const files = {
  ...own,
  "stack.yml": `${own["stack.yml"]}  shaped: {lang: small, handler: ./shaped, image: "shaped:1"}\n`,
  "shaped/x": "x",
};

test("a server that is killed while it fetches a template finishes the push after its restart", async () => {
  await using installation = await createInstallation();
  const { github, settings } = installation;
  await github.createRepository("templates", "offered", { files: template("true") });
  await using between = await startHolding(github.url);
  settings.custom_templates = `${between.url}/templates/offered.git`;
  const { sha } = await github.createRepository(owner, "fns", { files, branch: "main" });
  const first = await installation.start();
  expect((await installation.push(first, { sha, branch: "main" })).status).toBe(202);
  await between.asked;
  await first.end("SIGKILL");
  between.letGo();
  await installation.start();
  const ended = await installation.ended(sha);
  expect(Object.entries(ended).map(([context, text]) => `${context} ${text.split(":")[0]}`)).toEqual(
    expect.arrayContaining(["own success", "shaped success", "stack-deploy success"]),
  );
});

test("a commit to the templates' repository rebuilds what is made of them, and nothing else", async () => {
  await using installation = await createInstallation({
    docker_mirror: inject("registry"),
    template_refresh_ms: "0",
    github_app_id: "",
  });
  const { github, settings } = installation;
  const { cloneUrl } = await github.createRepository("templates", "offered", { files: template("echo 1") });
  settings.custom_templates = cloneUrl;
  const { sha } = await github.createRepository(owner, "fns", { files, branch: "main" });
  const serving = await installation.start();
  const push = async (pushed: string) => {
    await installation.push(serving, { sha: pushed, branch: "main" });
    return endOf(serving, pushed);
  };
  expect(await push(sha)).toContain("successfully built: 2 functions");
  const nothing = await github.commit(owner, "fns", { files: { README: "1" }, branch: "main" });
  expect(await push(nothing)).toContain("0 functions, 2 unchanged");

  await github.commit("templates", "offered", { files: template("echo 2") });
  const later = await github.commit(owner, "fns", { files: { README: "2" }, branch: "main" });
  expect(await push(later)).toContain("1 function, 1 unchanged");
  const built = serving.log.filter(({ msg, context }) => /in the registry$/.test(String(msg)) && context !== undefined);
  expect(built.map(({ context }) => context).sort()).toEqual(["own", "shaped", "shaped"]);
});

/** What the log says of the end of a push. */
async function endOf(serving: Serving, sha: string): Promise<string> {
  const commit = `${owner}/fns@${sha.slice(0, 7)}`;
  await serving.logged("push ended", (line) => line.commit === commit);
  return String(serving.log.findLast((line) => line.commit === commit && String(line.msg).includes("push ended"))?.msg);
}

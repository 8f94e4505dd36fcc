import { onTestFinished } from "vitest";
import { createGithubApp, type GithubAppOptions } from "../../src/github/app.ts";
import { createLog } from "../../src/log.ts";
import type { ReportTurn, Written } from "../../src/model/report-turn.ts";
import { type GithubServer, startGithubServer } from "../github-server/server.ts";
import { unsent } from "../unsent.ts";

/** A GitHub, one report for it, and what writes it. */
export async function writingScene(options: Partial<GithubAppOptions> = {}) {
  const github = await startGithubServer();
  onTestFinished(() => github.close());
  const { id, sha } = await github.createRepository("octocat", "fns");
  const { writeReport } = createGithubApp({
    appId: github.appId,
    privateKey: async () => github.privateKeyPem,
    apiUrl: github.apiUrl,
    way: "check",
    webUrl: "https://github.com",
    log: createLog("silent"),
    backoffMs: 1,
    ...options,
  });
  const turn: ReportTurn = {
    pushId: "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    installationId: github.installationId,
    repositoryId: id,
    owner: "octocat",
    repository: "fns",
    sha,
    report: { context: "hello", state: "success", description: "well" },
    ...unsent,
  };
  const write = (change: Partial<ReportTurn> = {}, { signal = new AbortController().signal } = {}) =>
    writeReport({ ...turn, ...change }, { signal });
  return { github, turn, write };
}

export const callsOf = (github: GithubServer, part: string) =>
  github.calls.filter((call) => call.includes(part)).length;

/** What is remembered of a write, for the next. */
export function remembered(written: Written): Partial<ReportTurn> {
  if (written.kind !== "shown") return {};
  const { way, checkId, annotationsSent, text } = written;
  return { way, checkId, annotationsSent, sentText: text };
}

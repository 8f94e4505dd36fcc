import { z } from "zod";
import type { Decision } from "../model/delivery.ts";
import { faultOfName } from "../model/git-names.ts";
import type { InstalledChange, InstalledRepository } from "../model/installed.ts";
import { ignored, type RawEvent } from "./event.ts";
import { id, ofRepository, parseEvent } from "./payload.ts";

/** These events name repositories in short. */
const shortRepository = z.object({ id, full_name: z.string(), private: z.boolean() });
const some = z.array(shortRepository).catch([]);
const ofInstallation = z.object({ action: z.string(), installation: z.object({ id }) });
const installationEvent = ofInstallation.extend({ repositories: some });
const selectionEvent = ofInstallation.extend({ repositories_added: some, repositories_removed: some });
const repositoryEvent = ofRepository.extend({ action: z.string() });

const states: Readonly<Record<string, NonNullable<InstalledChange["state"]>>> = {
  created: "active",
  unsuspend: "active",
  new_permissions_accepted: "active",
  suspend: "suspended",
  deleted: "deleted",
};

/** Remembers that the App was installed, suspended or taken away. What it was installed on is built at its next push. */
export function decideInstallation({ payload }: RawEvent): Decision {
  const { action, installation, repositories } = parseEvent(installationEvent, payload);
  const state = Object.hasOwn(states, action) ? states[action] : undefined;
  if (state === undefined) return ignored(`installation: "${action}" changes nothing`);
  const told = state === "deleted" ? [] : repositories.flatMap(named);
  const change = { installationId: installation.id, state, repositories: told, removed: [] };
  const reason = state === "active" ? "a repository is built from its next push on" : "nothing of it is built any more";
  return { kind: "installed", change, reason: `installation ${action}: ${reason}` };
}

/** Remembers which repositories the App may reach. */
export function decideInstallationRepositories({ payload }: RawEvent): Decision {
  const event = parseEvent(selectionEvent, payload);
  const repositories = event.repositories_added.flatMap(named);
  const removed = event.repositories_removed.map((repository) => repository.id);
  const reason = `repositories ${event.action}: ${repositories.length} more, ${removed.length} less`;
  return {
    kind: "installed",
    change: { installationId: event.installation.id, repositories, removed },
    reason: `${reason}; one is built from its next push on`,
  };
}

/** The actions after which a repository is called, owned or shown otherwise. */
const renaming = ["renamed", "transferred", "privatized", "publicized"];

/** Remembers what a repository is called now, and who may see it. */
export function decideRepository({ payload }: RawEvent): Decision {
  const { action, repository, installation } = parseEvent(repositoryEvent, payload);
  const full = `${repository.owner.login}/${repository.name}`;
  const about = { ...(installation && { installationId: installation.id }) };
  if (action === "deleted") {
    const change = { ...about, repositories: [], removed: [repository.id] };
    return { kind: "installed", change, reason: `${full} was deleted` };
  }
  if (!renaming.includes(action)) return ignored(`repository: "${action}" changes nothing`);
  const known = named({ id: repository.id, full_name: full, private: repository.private });
  return {
    kind: "installed",
    change: { ...about, repositories: known, removed: [] },
    reason: `repository ${action}: it is ${repository.private ? "private" : "public"} ${full} now`,
  };
}

/** One whose name we would not take is never built. */
function named({ id, full_name, private: isPrivate }: z.infer<typeof shortRepository>): InstalledRepository[] {
  const [owner = "", name = ""] = full_name.split("/");
  if (faultOfName("owner", owner) || faultOfName("repository", name)) return [];
  return [{ id, owner, name, private: isPrivate }];
}

import type { Command } from "../model/command.ts";
import type { Decision } from "../model/delivery.ts";
import { faultOfName } from "../model/git-names.ts";
import { ignored } from "./event.ts";
import type { RepositoryEvent } from "./payload.ts";

/** The decision that a command of an event's sender leads to. */
export function asking(
  guid: string,
  { repository, installation, sender }: RepositoryEvent & { readonly sender: { readonly login: string } },
  command: Command,
): Decision {
  const [owner, name] = [repository.owner.login, repository.name];
  const fault = faultOfName("owner", owner) ?? faultOfName("repository", name) ?? faultOfLogin(sender.login);
  if (fault) return ignored(fault.message);
  if (!installation) return ignored(`the App is not installed on ${owner}/${name}`);
  const about = { owner, repository: name, repositoryId: repository.id, installationId: installation.id };
  return { kind: "command", asked: { delivery: guid, command, by: sender.login, ...about } };
}

/** Apps act under a login with `[bot]` behind it. */
function faultOfLogin(login: string) {
  return faultOfName("owner", login.replace(/\[bot\]$/, ""));
}

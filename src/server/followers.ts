import { BuilderError } from "../errors.ts";

const maxFollowers = 200;
const maxFollowersOfOne = 20;

/** The places of those who follow logs: so many in all, and so many of one name. */
export interface Followers {
  /**
   * Takes a place until it is disposed of.
   * @throws BuilderError `too_busy` where there is none
   */
  take(name: string): Disposable;
}

export function createFollowers(): Followers {
  const followers = new Map<string, number>();
  let all = 0;
  return {
    take(name) {
      const own = followers.get(name) ?? 0;
      if (all >= maxFollowers || own >= maxFollowersOfOne) {
        throw new BuilderError("too_busy", "too many logs are followed at once", { fix: "End some of them first." });
      }
      followers.set(name, own + 1);
      all += 1;
      return {
        [Symbol.dispose]() {
          const left = (followers.get(name) ?? 1) - 1;
          if (left > 0) followers.set(name, left);
          else followers.delete(name);
          all -= 1;
        },
      };
    },
  };
}

/** Under which names a push waits in the database: written by database/ with its delivery, read by jobs/. */
export const storyQueue = {
  application: "of-builder",
  /** Constant: another version would not resume the stories of this one. */
  version: "1",
  queue: "push",
  story: "push",
  /** Where functions wait for their turn, when only so many of an owner may be built at once. */
  functions: "function",
  /** DBOS's own, which nothing waits in: whatever is in it begins at once. */
  atOnce: "_dbos_internal_queue",
} as const;

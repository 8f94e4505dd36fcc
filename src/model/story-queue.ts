/** Under which names a push waits in the database: written by database/ with its delivery, read by jobs/. */
export const storyQueue = {
  application: "of-builder",
  /** Constant: another version would not resume the stories of this one. */
  version: "1",
  queue: "push",
  story: "push",
} as const;

/** What GitHub tells of where the App is installed. Plain JSON: it is stored. */
export interface InstalledChange {
  /** Absent: what is told is true of the repositories, whoever may reach them. */
  readonly installationId?: string;
  /** Absent: as before. */
  readonly state?: "active" | "suspended" | "deleted";
  /** Repositories that the App may reach, as they are called now. */
  readonly repositories: readonly InstalledRepository[];
  /** Ids of those that it may not reach any more. */
  readonly removed: readonly string[];
}

export interface InstalledRepository {
  readonly id: string;
  readonly owner: string;
  readonly name: string;
  readonly private: boolean;
}

/** A repository, and the installation of the App that reaches it. */
export interface Place {
  readonly owner: string;
  readonly repository: string;
  readonly repositoryId: string;
  readonly installationId: string;
}

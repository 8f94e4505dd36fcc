/** What each command's --help says below its options. */
export const buildHelp = `
Where BuildKit is: BUILDKIT_HOST (or buildkit_url), else a running buildkitd's socket, else one from
"npm run tools" that is started for this build. Credentials of registries: Docker's config.json.

Examples:
  of-builder build                         build what ./stack.yml describes
  of-builder build --push --filter 'api-*' build and push some of it
  of-builder build --shrinkwrap build      only write the build contexts

Exit codes: 0 done, 1 a function failed, 2 wrong use.`;

export const serveHelp = `
Settings come from the environment or from --config. The ones to begin with:
  push_repository_url  registry that pushed functions go to, such as registry:5000
  buildkit_url         address of buildkitd (default tcp://of-buildkit:1234)
  github_app_id        id of the GitHub App
  secret_mount_path    folder with github-webhook-secret, private-key and payload-secret
  DATABASE_URL         PostgreSQL to share; without it one is started in data_path
All of them: docs/settings.md`;

export const devHelp = `
What is given in the environment is used (BUILDKIT_HOST, DATABASE_URL, push_repository_url, github_app_id,
secret_mount_path and the other settings of serve); only what is missing is started or made up.
Two with different --data do not meet.`;

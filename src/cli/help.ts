/** What each command's --help says below its options. */
export const buildHelp = `
Where BuildKit is: BUILDKIT_HOST (or buildkit_url), else a running buildkitd's socket, else one from
"npm run tools" that is started for this build, else a Docker engine whose BuildKit is new enough.
Credentials of registries: Docker's config.json.

Examples:
  of-builder build                         build what ./stack.yml describes
  of-builder build --push --filter 'api-*' build and push some of it
  of-builder build --regex '^(api|web)-' -f https://example.com/stack.yml
  of-builder build --shrinkwrap build      only write the build contexts
  of-builder build --push --tag sha        api:0.1 becomes api:0.1-1a2b3c4, this commit's; branch: api:0.1-main-1a2b3c4;
                                           describe: api:0.1-v2.0-3-g1a2b3c4; digest: api:MD5, of the handler's files
  of-builder build -o type=local,dest=out/{name}      the files of each image in place of the image
  of-builder build --load                             the images in the Docker engine of DOCKER_HOST
  of-builder build --filter api -o - | tar -t         the files of one image as a tar
  of-builder build --secret id=npmrc,src=./.npmrc     beside build_secrets of the stack

--progress json writes each event as a line of JSON: plan, started, vertex, status, log, warning, outcome, note, end.

Fields (--output, --secret, --cache-…) are KEY=VALUE,KEY=VALUE; {name} in a value stands for the function.
Of --output: type=local takes mode=delete (nothing else stays in the folder), type=oci takes tar=false (a folder in OCI's
layout), dest=- is the standard output, and type=docker without dest is --load.
SOURCE_DATE_EPOCH in the environment becomes the images' time of creation.

What has not changed since its last good build on this machine is not built again: --force does.
Whether a base image has changed is asked of its registry; docker_mirror names BuildKit's mirror of docker.io.

Exit codes: 0 done, 1 a function failed, 2 wrong use.`;

export const serveHelp = `
Settings come from the environment or from --config. The ones to begin with:
  push_repository_url  registry that pushed functions go to, such as registry:5000
  buildkit_url         addresses of buildkitd (default tcp://of-buildkit:1234)
  github_app_id        id of the GitHub App
  secret_mount_path    folder with github-webhook-secret, private-key and payload-secret
  DATABASE_URL         PostgreSQL to share; without it one is started in data_path
All of them: docs/settings.md`;

export const workerHelp = `
Needs the settings that serve has, and of these DATABASE_URL: the PostgreSQL that the servers share. It takes pushes from
the queue there, max_inflight builds at a time, and listens on no port; worker_port gives it one for /healthz, /ready and
/metrics. With worker=false the servers only take pushes and answer. It looks for pushes that GitHub could not deliver, and
does what people asked for by checks and comments, as every server does.

When a worker dies, the others take over what it was at within seconds. On the first SIGTERM it takes nothing new and lets
running builds end, for drain_limit at most; a second SIGTERM leaves at once. What is left the others finish.

Example: two workers beside a server
  export DATABASE_URL=postgres://app@db/app
  worker=false of-builder serve & of-builder worker & of-builder worker`;

export const devHelp = `
What is given in the environment is used (BUILDKIT_HOST, DATABASE_URL, push_repository_url, github_app_id,
secret_mount_path and the other settings of serve); only what is missing is started or made up.
Two with different --data do not meet.`;

export const keygenHelp = `
The private key belongs into the folder of the server's secrets (secret_mount_path) as build-secrets-key. To replace it,
put the new one there and keep the old one as build-secrets-key-old until nobody seals for it any more. Clients fetch the
public key from GET /publickey, or are given FILE.pub: faas-cli publish --builder-public-key FILE.pub`;

export const remoteBuildHelp = `
Speaks the build API: POST /build, as faas-cli publish --remote-builder does. The server needs BuildKit and the right to
push; this machine needs neither.

Examples:
  of-builder remote-build --url https://builder.example.com --payload-secret payload-secret
  OPENFAAS_REMOTE_BUILDER=http://127.0.0.1:8080 of-builder remote-build --filter 'api-*'
  of-builder remote-build --url http://127.0.0.1:8080 --secret id=npmrc,src=./.npmrc

Build secrets, these and build_secrets of the stack, are sealed for the builder's key before they leave this machine.

Exit codes: 0 done, 1 a function failed, 2 wrong use. An answer that ends too early is a failure.`;

export const doctorHelp = `
Looks at git, and asks each daemon of buildkit_url (else those that usually run on a machine) for its version, platforms,
snapshotter, rules of forgetting and entitlements, builds a tiny image there, pushes it to
push_repository_url/of-builder-doctor and deletes it again where the registry allows that; compares the clocks of the
daemons and of the registries (push_repository_url, repository_url, docker_mirror) with ours.

Exit codes: 0 nothing is wrong, 1 something is, 2 wrong use.`;

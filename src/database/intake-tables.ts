/**
 * delivery: `source` is the way that it came by; `answer` what its sender was told, or, of one that was swept up, what
 * GitHub noted of its own attempt. `run` is the run that it started last: one that failed by our fault is built anew
 * when it is delivered again, as a run of its own.
 *
 * command: what people asked for, until it is done or refused. Whoever does it holds the row locked meanwhile.
 *
 * installation, repository: where the App is installed, as far as GitHub told us. What is not in there may be installed.
 *
 * sweep: how far GitHub's list of deliveries is known (`known_until`, by GitHub's clock), and since when this
 * installation keeps its own (`began_at`); when something was last looked for (`swept_at`).
 *
 * branch_head: what GitHub last answered about the head of a branch.
 */
export const intakeTables = `alter table delivery
  add column action text,
  add column source text not null default 'webhook' check (source in ('webhook', 'sweep', 'poll', 'api')),
  add column answer text not null default '202',
  add column attempts integer not null default 1,
  add column run text;
create table command (
  id text primary key,
  asked json not null,
  state text not null default 'waiting' check (state in ('waiting', 'done', 'refused')),
  reason text not null default '',
  attempts integer not null default 0,
  next_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  ended_at timestamptz
);
create index command_waiting on command (next_at) where state = 'waiting';
create table installation (
  id text primary key,
  state text not null check (state in ('active', 'suspended', 'deleted')),
  changed_at timestamptz not null default now()
);
create table repository (
  id text primary key,
  installation_id text,
  owner text not null,
  name text not null,
  private boolean not null,
  removed boolean not null default false,
  changed_at timestamptz not null default now()
);
create table sweep (
  name text primary key,
  began_at timestamptz not null default now(),
  known_until timestamptz,
  swept_at timestamptz
);
create table branch_head (
  repository_id text not null,
  branch text not null,
  etag text not null,
  sha text not null,
  seen_at timestamptz not null default now(),
  primary key (repository_id, branch)
)`;

/** command: `failed` is one that was not done by our fault; delivered again it is tried again. */
export const failedCommands = `alter table command drop constraint command_state_check,
  add constraint command_state_check check (state in ('waiting', 'done', 'refused', 'failed'))`;

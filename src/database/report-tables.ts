/**
 * report: what GitHub shall show of each context of a push, and how far it shows it. `wanted` and `notes` are what the
 * story and the build said last, with a `version` that grows by one each time; `sent_version` is the version that
 * GitHub has. Where both differ, somebody still has to write: nothing else remembers that, so nothing is forgotten.
 * `wanted` and `notes` are json and no jsonb, which would refuse the NUL that a log may carry. Notes, which hold the log,
 * go when GitHub has them.
 *
 * `bare`: nothing but the state of the check is written, with an excuse in place of the page where GitHub did not take that.
 *
 * report_lane: whose turn it is to write for an installation, and when the next write may be. A process takes a lane
 * for one write, until `busy_until` at most; `turn` says later whether it still has it.
 */
export const reportTables = `create table report (
    push_id text not null,
    context text not null,
    installation_id text not null,
    repository_id text not null,
    owner text not null,
    repository text not null,
    sha text not null,
    shown boolean not null,
    ended boolean not null,
    wanted json not null,
    notes json,
    version bigint not null default 1,
    sent_version bigint not null default 0,
    sent_text text,
    way text check (way in ('check', 'status')),
    check_id text,
    annotations_sent integer not null default 0,
    uncertain boolean not null default false,
    refused text,
    attempts integer not null default 0,
    next_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    first_shown_at timestamptz,
    unsent boolean generated always as (shown and refused is null and sent_version < version) stored,
    primary key (push_id, context)
  );
  create index report_unsent on report (installation_id, next_at) where unsent;
  create index report_changed_at on report (changed_at);
  create table report_lane (
    installation_id text primary key,
    holder text,
    turn bigint not null default 0,
    busy_until timestamptz not null default '-infinity',
    free_at timestamptz not null default '-infinity',
    limits integer not null default 0,
    statuses_until timestamptz not null default '-infinity',
    quota_left integer,
    quota_resets_at timestamptz,
    hour_from timestamptz not null default now(),
    hour_writes integer not null default 0
  )`;

/** report: GitHub may refuse a check's page, which shall not keep it from being shown to have ended. */
export const bareReportColumn = "alter table report add column bare text check (bare in ('state', 'excuse'))";

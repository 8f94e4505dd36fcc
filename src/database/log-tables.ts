/**
 * build_log: the log of each function of a run. `bytes` is its length so far; `place` is where the store keeps it once it
 * is whole.
 *
 * build_log_part: what a log that is still written consists of. `at` counts the bytes before a part. So a log may be
 * followed at any server while it is written at another, and begins again nowhere after a crash.
 */
export const logTables = `create table build_log (
  push_id text not null,
  function text not null,
  bytes bigint not null,
  place text,
  begun_at timestamptz not null default now(),
  primary key (push_id, function)
);
create index build_log_begun_at on build_log (begun_at);
create index build_log_written on build_log (begun_at) where place is null;
create table build_log_part (
  push_id text not null,
  function text not null,
  at bigint not null,
  text text not null,
  primary key (push_id, function, at),
  foreign key (push_id, function) references build_log on delete cascade
)`;

-- The database after migration 3 (digests of requests, counts of state events).
CREATE TABLE alias_moves (
  model TEXT NOT NULL,
  alias TEXT NOT NULL,
  number BIGINT NOT NULL,
  version BIGINT,
  previous BIGINT,
  time_us BIGINT NOT NULL,
  action TEXT NOT NULL,
  submitter TEXT NOT NULL,
  subject TEXT NOT NULL,
  comment TEXT NOT NULL,
  passed_json TEXT NOT NULL,
  PRIMARY KEY (model, alias, number)
);
CREATE TABLE aliases (
  model TEXT NOT NULL REFERENCES models (name),
  alias TEXT NOT NULL,
  version BIGINT NOT NULL,
  subject TEXT NOT NULL,
  update_us BIGINT NOT NULL,
  PRIMARY KEY (model, alias),
  FOREIGN KEY (model, version) REFERENCES versions (model, number)
);
CREATE TABLE artifact_references (
  artifact_sha256 TEXT NOT NULL REFERENCES artifacts (sha256),
  owner TEXT NOT NULL,
  PRIMARY KEY (artifact_sha256, owner)
);
CREATE TABLE artifacts (
  sha256 TEXT PRIMARY KEY,
  size_bytes BIGINT NOT NULL,
  format TEXT NOT NULL,
  display_name TEXT NOT NULL,
  subject TEXT NOT NULL,
  origin TEXT NOT NULL,
  state TEXT NOT NULL,
  create_us BIGINT NOT NULL
);
CREATE TABLE datasets (
  name TEXT PRIMARY KEY,
  state TEXT NOT NULL,
  subject TEXT NOT NULL,
  create_us BIGINT NOT NULL,
  source_artifact TEXT NOT NULL,
  pack_artifact TEXT NOT NULL,
  pack_bytes BIGINT NOT NULL,
  job TEXT NOT NULL,
  summary_json TEXT NOT NULL,
  defects_json TEXT NOT NULL,
  error TEXT NOT NULL
);
CREATE TABLE evaluations (
  id TEXT PRIMARY KEY,
  model TEXT NOT NULL,
  version BIGINT NOT NULL,
  dataset TEXT NOT NULL,
  pack_artifact TEXT NOT NULL,
  split TEXT NOT NULL,
  job TEXT NOT NULL,
  against TEXT NOT NULL,
  subject TEXT NOT NULL,
  create_us BIGINT NOT NULL,
  options_json TEXT NOT NULL,
  metrics_json TEXT NOT NULL,
  summary_json TEXT NOT NULL,
  result_json TEXT NOT NULL
);
CREATE TABLE job_checkpoints (
  job TEXT NOT NULL REFERENCES jobs (id),
  sha256 TEXT NOT NULL,
  number BIGINT NOT NULL,
  size_bytes BIGINT NOT NULL,
  step BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  create_us BIGINT NOT NULL,
  best BIGINT NOT NULL,
  metric DOUBLE PRECISION,
  PRIMARY KEY (job, sha256)
);
CREATE TABLE job_counts (
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  count BIGINT NOT NULL,
  PRIMARY KEY (kind, state)
);
CREATE TABLE job_events (
  job TEXT NOT NULL REFERENCES jobs (id),
  cursor BIGINT NOT NULL,
  time_us BIGINT NOT NULL,
  is_state BIGINT NOT NULL,
  json TEXT NOT NULL,
  PRIMARY KEY (job, cursor)
);
CREATE TABLE job_labels (
  job TEXT NOT NULL REFERENCES jobs (id),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (job, key)
);
CREATE TABLE job_lanes (
  submitter TEXT NOT NULL,
  kind TEXT NOT NULL,
  priority BIGINT NOT NULL,
  last_lease_us BIGINT NOT NULL,
  PRIMARY KEY (submitter, kind, priority)
);
CREATE TABLE job_logs (
  job TEXT NOT NULL REFERENCES jobs (id),
  first_byte BIGINT NOT NULL,
  size_bytes BIGINT NOT NULL,
  text BYTEA NOT NULL,
  PRIMARY KEY (job, first_byte)
);
CREATE TABLE job_uses (
  resource TEXT NOT NULL,
  job TEXT NOT NULL REFERENCES jobs (id),
  PRIMARY KEY (resource, job)
);
CREATE TABLE jobs (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  submitter TEXT NOT NULL,
  subject TEXT NOT NULL,
  request_id TEXT,
  priority BIGINT NOT NULL,
  spec_json TEXT NOT NULL,
  labels_json TEXT NOT NULL,
  estimate_json TEXT NOT NULL,
  create_us BIGINT NOT NULL,
  update_us BIGINT NOT NULL,
  start_us BIGINT,
  end_us BIGINT,
  queued_us BIGINT NOT NULL,
  ready BIGINT NOT NULL,
  retry_us BIGINT NOT NULL,
  attempts BIGINT NOT NULL,
  failed_attempts BIGINT NOT NULL,
  lost_attempts BIGINT NOT NULL,
  lease_token BIGINT NOT NULL,
  worker TEXT NOT NULL,
  lease_expire_us BIGINT,
  step BIGINT NOT NULL,
  total_steps BIGINT NOT NULL,
  progress_json TEXT NOT NULL,
  checkpoint TEXT NOT NULL,
  error_code BIGINT NOT NULL,
  error_reason TEXT NOT NULL,
  error_message TEXT NOT NULL,
  result_json TEXT NOT NULL,
  artifacts_json TEXT NOT NULL,
  last_cursor BIGINT NOT NULL,
  kept_events BIGINT NOT NULL,
  log_bytes BIGINT NOT NULL, request_digest TEXT NOT NULL DEFAULT '', state_events BIGINT NOT NULL DEFAULT 0,
  UNIQUE (submitter, request_id)
);
CREATE TABLE models (
  name TEXT PRIMARY KEY,
  subject TEXT NOT NULL,
  create_us BIGINT NOT NULL,
  next_version BIGINT NOT NULL
);
CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_us BIGINT NOT NULL);
INSERT INTO "schema_migrations" VALUES(1,'artifacts, uploads, models',1700000000000000);
INSERT INTO "schema_migrations" VALUES(2,'jobs, datasets, evaluations, alias history',1700000000000000);
INSERT INTO "schema_migrations" VALUES(3,'digests of requests, counts of state events',1700000000000000);
CREATE TABLE submitters (
  submitter TEXT PRIMARY KEY,
  last_lease_us BIGINT NOT NULL
);
CREATE TABLE uploads (
  id TEXT PRIMARY KEY,
  subject TEXT NOT NULL,
  size_bytes BIGINT NOT NULL,
  sha256 TEXT NOT NULL,
  display_name TEXT NOT NULL,
  committed_bytes BIGINT NOT NULL,
  writer BIGINT NOT NULL,
  create_us BIGINT NOT NULL,
  expire_us BIGINT NOT NULL,
  artifact_sha256 TEXT NOT NULL
);
CREATE TABLE versions (
  model TEXT NOT NULL REFERENCES models (name),
  number BIGINT NOT NULL,
  state TEXT NOT NULL,
  subject TEXT NOT NULL,
  create_us BIGINT NOT NULL,
  source_artifact TEXT NOT NULL,
  parent BIGINT,
  bundle TEXT NOT NULL,
  bundle_bytes BIGINT NOT NULL,
  quantized BIGINT NOT NULL,
  quantization_json TEXT NOT NULL,
  report_json TEXT NOT NULL,
  spec_json TEXT NOT NULL,
  max_batch BIGINT NOT NULL,
  head_kind TEXT NOT NULL,
  classes_json TEXT NOT NULL,
  import_notes_json TEXT NOT NULL,
  error TEXT NOT NULL, job TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (model, number)
);
CREATE TABLE workers (
  id TEXT PRIMARY KEY,
  host TEXT NOT NULL,
  pid BIGINT NOT NULL,
  device TEXT NOT NULL,
  start_us BIGINT NOT NULL,
  seen_us BIGINT NOT NULL,
  job TEXT NOT NULL
);
CREATE INDEX artifacts_by_time ON artifacts (create_us, sha256);
CREATE INDEX uploads_by_digest ON uploads (subject, sha256);
CREATE INDEX uploads_by_expiry ON uploads (expire_us);
CREATE INDEX artifact_references_by_owner ON artifact_references (owner);
CREATE INDEX versions_by_state ON versions (state);
CREATE INDEX aliases_by_version ON aliases (model, version);
CREATE INDEX jobs_by_queue ON jobs (kind, priority, submitter, create_us, id) WHERE state = 'QUEUED' AND ready = 1;
CREATE INDEX jobs_by_retry ON jobs (retry_us) WHERE state = 'QUEUED' AND ready = 0;
CREATE INDEX jobs_by_lease ON jobs (lease_expire_us, submitter) WHERE lease_expire_us IS NOT NULL;
CREATE INDEX jobs_by_time ON jobs (create_us, id);
CREATE INDEX jobs_by_end ON jobs (end_us, create_us, id);
CREATE INDEX job_lanes_by_turn ON job_lanes (kind, priority, last_lease_us, submitter);
CREATE INDEX job_uses_by_job ON job_uses (job, resource);
CREATE INDEX job_labels_by_value ON job_labels (key, value, job);
CREATE INDEX datasets_by_job ON datasets (job);
CREATE INDEX datasets_by_source ON datasets (source_artifact);
CREATE INDEX evaluations_by_version ON evaluations (model, version, create_us);
CREATE INDEX evaluations_by_dataset ON evaluations (dataset, create_us);
CREATE INDEX evaluations_by_time ON evaluations (create_us, id);
CREATE INDEX evaluations_by_against ON evaluations (against) WHERE against <> '';
CREATE INDEX versions_by_source ON versions (source_artifact);
CREATE INDEX versions_by_job ON versions (job) WHERE job <> '';

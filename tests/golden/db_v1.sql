-- The database after migration 1 (artifacts, uploads, models).
CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_us BIGINT NOT NULL);
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
CREATE INDEX artifacts_by_time ON artifacts (create_us, sha256);
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
CREATE INDEX uploads_by_digest ON uploads (subject, sha256);
CREATE INDEX uploads_by_expiry ON uploads (expire_us);
CREATE TABLE artifact_references (
  artifact_sha256 TEXT NOT NULL REFERENCES artifacts (sha256),
  owner TEXT NOT NULL,
  PRIMARY KEY (artifact_sha256, owner)
);
CREATE INDEX artifact_references_by_owner ON artifact_references (owner);
CREATE TABLE models (
  name TEXT PRIMARY KEY,
  subject TEXT NOT NULL,
  create_us BIGINT NOT NULL,
  next_version BIGINT NOT NULL
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
  error TEXT NOT NULL,
  PRIMARY KEY (model, number)
);
CREATE INDEX versions_by_state ON versions (state);
CREATE TABLE aliases (
  model TEXT NOT NULL REFERENCES models (name),
  alias TEXT NOT NULL,
  version BIGINT NOT NULL,
  subject TEXT NOT NULL,
  update_us BIGINT NOT NULL,
  PRIMARY KEY (model, alias),
  FOREIGN KEY (model, version) REFERENCES versions (model, number)
);
CREATE INDEX aliases_by_version ON aliases (model, version);
INSERT INTO schema_migrations VALUES (1, 'artifacts, uploads, models', 1700000000000000);

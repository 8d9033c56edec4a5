-- Times are microseconds since 1970-01-01T00:00Z. Ids given by the writer grow in commit order.

-- Versions are found from the current one backwards: an index over random ids would cost each submission more pages
-- than all its content.
CREATE TABLE resource_version (
  id            INTEGER PRIMARY KEY,
  type          TEXT    NOT NULL,
  rid           TEXT    NOT NULL,
  version       INTEGER NOT NULL,
  last_updated  INTEGER NOT NULL,
  deleted       INTEGER NOT NULL,
  patient       TEXT,
  body          TEXT    NOT NULL,
  previous      INTEGER REFERENCES resource_version (id)
) STRICT;

CREATE TABLE resource (
  type     TEXT    NOT NULL,
  rid      TEXT    NOT NULL,
  version  INTEGER NOT NULL,
  row      INTEGER NOT NULL REFERENCES resource_version (id),
  patient  TEXT,
  -- The business identifiers, as alternating systems and values in JSON: what to take out of `identifier` next time.
  identifiers TEXT NOT NULL,
  PRIMARY KEY (type, rid)
) STRICT, WITHOUT ROWID;
CREATE INDEX resource_patient ON resource (patient, type) WHERE patient IS NOT NULL;

CREATE TABLE identifier (
  type    TEXT NOT NULL,
  value   TEXT NOT NULL,
  system  TEXT NOT NULL,
  rid     TEXT NOT NULL,
  PRIMARY KEY (type, value, system, rid)
) STRICT, WITHOUT ROWID;

CREATE TABLE submission (
  position    INTEGER PRIMARY KEY,
  id          TEXT    NOT NULL,
  source      TEXT    NOT NULL,
  received    INTEGER NOT NULL,
  media_type  TEXT    NOT NULL,
  digest      BLOB    NOT NULL,
  message_id  TEXT,
  outcome     TEXT    NOT NULL,
  detail      TEXT,
  patient     TEXT
) STRICT;
CREATE UNIQUE INDEX submission_id ON submission (id);

CREATE TABLE idempotency (
  id       INTEGER PRIMARY KEY,
  scope    TEXT    NOT NULL,
  key      TEXT    NOT NULL,
  digest   BLOB    NOT NULL,
  created  INTEGER NOT NULL,
  answer   TEXT,
  same_as  INTEGER
) STRICT;
CREATE UNIQUE INDEX idempotency_key ON idempotency (scope, key);

CREATE TABLE quarantine (
  position      INTEGER PRIMARY KEY,
  id            TEXT    NOT NULL,
  source        TEXT    NOT NULL,
  organisation  TEXT    NOT NULL,
  received      INTEGER NOT NULL,
  media_type    TEXT    NOT NULL,
  reason        TEXT    NOT NULL,
  outcome       TEXT    NOT NULL,
  status        INTEGER NOT NULL,
  changed       INTEGER NOT NULL,
  note          TEXT,
  payload       BLOB
) STRICT;
CREATE UNIQUE INDEX quarantine_id ON quarantine (id);
CREATE INDEX quarantine_held ON quarantine (position) WHERE status = 0;

CREATE TABLE subscription (
  id             TEXT    PRIMARY KEY,
  owner          TEXT    NOT NULL,
  status         TEXT    NOT NULL,
  events         INTEGER NOT NULL,
  failures       INTEGER NOT NULL,
  failing_since  INTEGER,
  retry_at       INTEGER,
  heartbeat_at   INTEGER,
  last_error     TEXT,
  detail         TEXT    NOT NULL,
  lease_owner    TEXT,
  lease_until    INTEGER NOT NULL,
  fence          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- state: 0 ready, 1 waiting behind an earlier one of its lane, 2 delivered, 3 withheld, 4 dead, 5 ended.
CREATE TABLE intent (
  id             INTEGER PRIMARY KEY,
  event_id       BLOB    NOT NULL,
  subscription   TEXT    NOT NULL,
  lane           TEXT    NOT NULL,
  patient        TEXT,
  type           TEXT    NOT NULL,
  rid            TEXT    NOT NULL,
  version        INTEGER NOT NULL,
  topic          TEXT    NOT NULL,
  trigger        TEXT    NOT NULL,
  created        INTEGER NOT NULL,
  state          INTEGER NOT NULL,
  due            INTEGER NOT NULL,
  attempts       INTEGER NOT NULL,
  first_attempt  INTEGER,
  number         INTEGER,
  exposed        INTEGER NOT NULL,
  reason         TEXT,
  settled        INTEGER
) STRICT;
CREATE UNIQUE INDEX intent_event ON intent (event_id);
CREATE INDEX intent_ready ON intent (subscription, due, id) WHERE state = 0;
CREATE INDEX intent_lane ON intent (lane, subscription, id) WHERE state < 2;
CREATE INDEX intent_number ON intent (subscription, number) WHERE number IS NOT NULL;
CREATE INDEX intent_dead ON intent (id) WHERE state = 4;

CREATE TABLE attempt (
  id           INTEGER PRIMARY KEY,
  intent       INTEGER NOT NULL REFERENCES intent (id),
  number       INTEGER NOT NULL,
  at           INTEGER NOT NULL,
  took_ms      INTEGER NOT NULL,
  outcome      TEXT    NOT NULL,
  http_status  INTEGER,
  error        TEXT
) STRICT;
CREATE INDEX attempt_intent ON attempt (intent);

CREATE TABLE audit_leaf (
  sequence   INTEGER PRIMARY KEY,
  id         TEXT    NOT NULL,
  leaf       TEXT    NOT NULL,
  leaf_hash  BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX audit_leaf_id ON audit_leaf (id);

-- What can be erased, apart from the leaf that proves it.
CREATE TABLE audit_content (
  sequence   INTEGER PRIMARY KEY REFERENCES audit_leaf (sequence),
  recorded   INTEGER NOT NULL,
  kind       TEXT    NOT NULL,
  outcome    TEXT    NOT NULL,
  patient    TEXT,
  salt       BLOB,
  canonical  TEXT,
  erased     INTEGER
) STRICT;
CREATE INDEX audit_content_patient ON audit_content (patient, sequence) WHERE patient IS NOT NULL;

CREATE TABLE audit_about (
  about     TEXT    NOT NULL,
  sequence  INTEGER NOT NULL,
  PRIMARY KEY (about, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_about_of ON audit_about (sequence);

CREATE TABLE audit_checkpoint (
  size     INTEGER PRIMARY KEY,
  root     BLOB    NOT NULL,
  note     TEXT    NOT NULL,
  created  INTEGER NOT NULL
) STRICT;

-- Keys that services sign with or send, and which service may have which.

-- No grants, and not in dumps.
CREATE TABLE specql.secret (
    name text NOT NULL PRIMARY KEY,
    value text NOT NULL,
    sent_to text[] NOT NULL DEFAULT '{}',
    signs_for text[] NOT NULL DEFAULT '{}',
    owner specql.role
);
REVOKE ALL ON specql.secret FROM PUBLIC;
COMMENT ON TABLE specql.secret IS 'Keys that services sign with, by name. Only its owner can read it, and dumps leave its rows out';
COMMENT ON COLUMN specql.secret.name IS 'As secret: of a service says';
COMMENT ON COLUMN specql.secret.value IS 'The key; whsec_... is base64, as Standard Webhooks writes it';
COMMENT ON COLUMN specql.secret.sent_to IS 'Services that get it as it is, in a header; a key that only signs is sent to nobody';
COMMENT ON COLUMN specql.secret.signs_for IS 'Services whose calls it signs; no other may use it';
COMMENT ON COLUMN specql.secret.owner IS
'The role that must own those services, itself or by a member; NULL: whoever has declared them';

CREATE FUNCTION specql.secret_for(name text, service text, service_owner specql.role, purpose text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT x.value FROM specql.secret AS x
    WHERE x.name = $1 AND $2 = ANY (CASE $4 WHEN 'sign' THEN x.signs_for ELSE x.sent_to END)
      AND (x.owner IS NULL OR specql.works_for(x.owner, $3))
$$;
COMMENT ON FUNCTION specql.secret_for(text, text, specql.role, text) IS
'The value of a secret that a service may use: to sign its calls, or to send it in a header; NULL if there is none';

CREATE FUNCTION specql.secret_source(said text, service text, service_owner specql.role, purpose text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN $1 LIKE 'secret:%'
                THEN coalesce('key:' || specql.secret_for(substr($1, 8), $2, $3, $4),
                              'missing:' || substr($1, 8) || CASE $4 WHEN 'sign' THEN ' that may sign for ' ELSE ' that may be sent to ' END || $2)
                ELSE $1 END
$$;
COMMENT ON FUNCTION specql.secret_source(text, text, specql.role, text) IS
'What a service says of a secret, for the worker: the value of a stored one behind a mark, or where else it is';

REVOKE ALL ON FUNCTION specql.secret_for(text, text, specql.role, text), specql.secret_source(text, text, specql.role, text) FROM PUBLIC;

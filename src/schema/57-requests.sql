-- The request of a call: its url and its headers, with keys of the payload, and what its service shows to be let in.

CREATE FUNCTION specql.filled_url(url text, path text, query jsonb, payload jsonb) RETURNS text
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'specql_filled_url';
COMMENT ON FUNCTION specql.filled_url(text, text, jsonb, jsonb) IS
'The url of a call of an operation whose path or query holds keys of the payload; or, behind a mark, why there is none';

CREATE FUNCTION specql.filled_header(name text, template text, payload jsonb) RETURNS text
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'specql_filled_header';
COMMENT ON FUNCTION specql.filled_header(text, text, jsonb) IS
'The value of a header that holds keys of the payload; NULL if it is left out; or, behind a mark, why it cannot be sent';

-- What the courier is to fill in, or to refuse, follows the mark, a character that no header has.
CREATE FUNCTION specql.header_line(name text, value text, service text, owner specql.role) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT $1 || ': ' || CASE WHEN $2 ~ '(^| )secret:[^ ]+$' THEN regexp_replace($2, '[^ ]+$', E'\x01')
                                  || coalesce('key:' || specql.secret_for(substring($2 FROM 'secret:([^ ]+)$'), $3, $4, 'send'),
                                              'missing:' || substring($2 FROM 'secret:([^ ]+)$') || ' that may be sent to ' || $3)
                              ELSE $2 END
$$;
COMMENT ON FUNCTION specql.header_line(text, text, text, specql.role) IS 'A header of a service''s calls, with the secret that it names behind a mark';

-- A header of an operation takes the place of the service's.
CREATE FUNCTION specql.operation_headers(s specql.service, headers jsonb, payload jsonb) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY(SELECT specql.header_line(h.key, h.value, $1.name, $1.owner) FROM jsonb_each_text($1.headers) AS h(key, value)
                 WHERE NOT EXISTS (SELECT FROM jsonb_object_keys($2) AS o(key) WHERE lower(o.key) = lower(h.key)))
        || ARRAY(SELECT f.line FROM jsonb_each_text($2) AS h(key, value),
                                    LATERAL (SELECT CASE WHEN h.value ~ '[{}]' THEN h.key || ': ' || specql.filled_header(h.key, h.value, $3)
                                                         ELSE specql.header_line(h.key, h.value, $1.name, $1.owner) END AS line) AS f
                 WHERE f.line IS NOT NULL)
$$;
COMMENT ON FUNCTION specql.operation_headers(specql.service, jsonb, jsonb) IS 'The headers of a call of an operation that has some of its own';

-- Names and values in turn; a stored secret goes along as it is, others by their name.
CREATE FUNCTION specql.access_of(s specql.service) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY(SELECT unnest(ARRAY[v.name, v.value])
                 FROM (VALUES ('user', $1.options #>> '{auth,basic,user}'),
                              ('password', specql.secret_source($1.options #>> '{auth,basic,password}', $1.name, $1.owner, 'send')),
                              ('token_url', $1.options #>> '{auth,oauth2,token_url}'), ('client', $1.options #>> '{auth,oauth2,client}'),
                              ('secret', specql.secret_source($1.options #>> '{auth,oauth2,secret}', $1.name, $1.owner, 'send')),
                              ('scope', $1.options #>> '{auth,oauth2,scope}'),
                              ('certificate', specql.secret_source($1.options #>> '{tls,certificate}', $1.name, $1.owner, 'sign')),
                              ('key', specql.secret_source($1.options #>> '{tls,key}', $1.name, $1.owner, 'sign')),
                              ('ca', specql.secret_source($1.options #>> '{tls,ca}', $1.name, $1.owner, 'sign')),
                              ('compress', $1.options ->> 'compress')) AS v(name, value)
                 WHERE v.value IS NOT NULL)
$$;
COMMENT ON FUNCTION specql.access_of(specql.service) IS
'What the calls of a service show to be let in, and how they are packed, as its options say; for the worker';

REVOKE ALL ON FUNCTION specql.filled_url(text, text, jsonb, jsonb), specql.filled_header(text, text, jsonb),
    specql.header_line(text, text, text, specql.role), specql.operation_headers(specql.service, jsonb, jsonb), specql.access_of(specql.service)
FROM PUBLIC;

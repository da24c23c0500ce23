-- On PostgreSQL both tables of the audit log are made of months, so that what is too old
-- goes by dropping a table. What was there becomes the part before the first month, as it
-- is; the default part takes what no month is made for yet.
-- postgres
DO $$
DECLARE
    t      TEXT;
    i      TEXT;
    filled BOOLEAN;
    m      TIMESTAMP;
    cut    BIGINT;
    past   BIGINT;
BEGIN
    FOREACH t IN ARRAY ARRAY['audit', 'activity'] LOOP
        m := date_trunc('month', timezone('UTC', now()));
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', t) INTO filled;
        IF filled THEN
            m := m + interval '1 month';
        END IF;
        cut := extract(epoch FROM m) * 1000000;
        EXECUTE format('ALTER TABLE %I RENAME TO %I', t, t || '_before');
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', t || '_before', t || '_pkey');
        FOREACH i IN ARRAY ARRAY['at', 'actor', 'action', 'object'] LOOP
            EXECUTE format('ALTER INDEX %I RENAME TO %I', t || '_' || i, t || '_before_' || i);
        END LOOP;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)', t,
            t || '_before');
        EXECUTE format('CREATE INDEX %I ON %I (at)', t || '_at', t);
        FOREACH i IN ARRAY ARRAY['actor', 'action', 'object'] LOOP
            EXECUTE format('CREATE INDEX %I ON %I (%I, id)', t || '_' || i, t, i);
        END LOOP;
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', t || '_other', t);
        EXECUTE format('WITH late AS (DELETE FROM %I WHERE at >= %s RETURNING *) INSERT INTO %I SELECT * FROM late',
            t || '_before', cut, t || '_other');
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%s)', t, t || '_before', cut);
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', t || '_other') INTO filled;
        IF NOT filled THEN -- or the upkeep makes them, and moves what is theirs
            FOR n IN 1..3 LOOP
                past := extract(epoch FROM m + interval '1 month') * 1000000;
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%s) TO (%s)', t || to_char(m, '_YYYY_MM'), t,
                    cut, past);
                m := m + interval '1 month';
                cut := past;
            END LOOP;
        END IF;
    END LOOP;
END $$;

-- down
-- postgres
DO $$
DECLARE
    t TEXT;
    i TEXT;
BEGIN
    FOREACH t IN ARRAY ARRAY['audit', 'activity'] LOOP
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS)', t || '_whole', t);
        EXECUTE format('INSERT INTO %I SELECT * FROM %I', t || '_whole', t);
        EXECUTE format('DROP TABLE %I', t);
        EXECUTE format('ALTER TABLE %I RENAME TO %I', t || '_whole', t);
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I PRIMARY KEY (id)', t, t || '_pkey');
        EXECUTE format('CREATE INDEX %I ON %I (at)', t || '_at', t);
        FOREACH i IN ARRAY ARRAY['actor', 'action', 'object'] LOOP
            EXECUTE format('CREATE INDEX %I ON %I (%I, id)', t || '_' || i, t, i);
        END LOOP;
    END LOOP;
END $$;

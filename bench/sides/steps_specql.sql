CREATE PROCEDURE bench.run(n integer) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. n LOOP
        PERFORM depot.trade(bench.id(i % 1000), bench.id(i % 999), 2);
        COMMIT;
    END LOOP;
END $$;

-- No rule at all.
SELECT 1 \g /dev/null

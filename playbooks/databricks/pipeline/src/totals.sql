CREATE OR REFRESH MATERIALIZED VIEW totals AS
SELECT day, sum(amount) AS amount, count(*) AS orders
FROM clean_orders
GROUP BY day;

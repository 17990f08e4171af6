-- Sales per day and product, from the transformed orders.
create or replace table sales as
select
    cast(day as date) as day,
    product,
    sum(quantity) as pieces,
    round(sum(amuont), 2) as amount,
    any_value(currency) as currency
from read_csv('data/amounts.csv')
group by all
order by all;

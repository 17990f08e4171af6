"""Orders as they came, without those that cannot be right."""

from pyspark import pipelines as dp
from pyspark.sql import functions as F


@dp.materialized_view
@dp.expect_or_drop("has an amount", "amount > 0")
def clean_orders():
    return spark.read.table("main.bronze.orders").withColumn("day", F.to_date("ordered_at"))

"""Embed a column of a Spark DataFrame with a registered version.

pip install pyspark
python examples/from_spark.py models:/docs/1
"""

import sys

import mlflow
from pyspark.sql import SparkSession

if len(sys.argv) != 2:
    sys.exit(__doc__)
spark = SparkSession.builder.getOrCreate()
embed = mlflow.pyfunc.spark_udf(spark, sys.argv[1], env_manager="local")

texts = spark.createDataFrame([("Parse a date.",), ("Split a string.",)], ["text"])
embedded = texts.withColumn("embedding", embed("text"))
embedded.printSchema()
for row in embedded.collect():
    print(f"{len(row.embedding)} numbers  {row.text}")

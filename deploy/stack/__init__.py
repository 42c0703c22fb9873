"""The local stack: Kafka, ClickHouse, the stages and the sink under one supervisor, in one directory."""

"""Where records come from besides files at hand: S3 prefixes, Kafka topics, Redis streams, SQL tables; and their settings."""

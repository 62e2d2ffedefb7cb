"""Reports: what is read, the charts, the pages. Everything shown comes from published tables."""

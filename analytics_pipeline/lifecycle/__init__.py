"""Hot, columnstore, Parquet: where old raw events lie, and the proof that they arrived. Computing with them is not here."""

"""Raw events to published numbers: one as_of a build, the ledger of changes, the dbt models, publishing.

The SQL of the models is in dbt_project; checks are in `quality`.
"""

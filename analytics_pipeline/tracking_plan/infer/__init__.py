"""A first tracking plan from events that are there: what was counted of them becomes a draft that a person corrects.

`counting` counts events; `properties`, `roles`, `dimensions`, `funnel` and `numbers` guess; `draft` writes it down. Where
events are read from is not known here.
"""

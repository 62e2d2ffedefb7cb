"""The warehouse's ground floor: connections, the embedded server, what a server can do, migrations.

What is stored in the tables is the business of the rooms that write them.
"""

"""The embedded default of ClickHouse: one process owns a chDB directory and speaks the ClickHouse HTTP protocol.

`python -m deploy.clickhouse --path DIR --port P` is the process; `clickhouse_connect.get_client` is the client, as
for a server. Read in this order: `request` and `statement` (what was asked), `frames` (compressed bodies), `rights`
and `guard` (who may do what), `reply` (what is answered), then `service` and the doors `directory`,
`handle`, `engine`, `body`, `conversation` and `server`.

Laws
1. A body that ends early stores nothing: a cut frame, a cut chunk and a cut Content-Length are errors, never an end.
2. The engine itself keeps analysts to the views: they hold no right on a storage table. The guard stands before that,
   and alone only against what the engine grants to everybody (`file()`, system tables, INTO OUTFILE, KILL QUERY).
3. One request, one engine handle: no setting outlives its request, except within a session that the writer asked for.
"""

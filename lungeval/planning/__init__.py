"""`lungeval plan`: power and precision of a reader study before it starts.

`asking` reads a protocol or options into a `study`; `expected` and `scales` hold the model's closed forms, `forecast`
the power that follows; `trials` and `simulating` draw studies and judge them by the code that judges real ones; `plan`
puts both together, `advice` says what would do, `words` and `page` show it.
"""

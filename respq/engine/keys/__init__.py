"""The keys that are no queues: Redis' types, in one namespace with the queues.

    value.py     what a family has to be: the `Value` that a key of it holds
    families.py  the table of families, and of their records
    records.py   the records of keys, whatever they hold
    key.py       a key: its number, name, instant of expiry, value
    space.py     the keys of all databases, and what records do to them
    keyed.py     the part of the engine that finds, makes and removes keys
    watch.py     who is told that a key or a queue is not as it was
    strings.py   a family: records, value, and operations
    lists.py     another, on chain.py
    zsets.py     another; doubles.py, ranges.py and combine.py are parts of it
    hashes.py    another
    sets.py      another
    hashed.py    many members, found by their hash; draws.py draws some of them
    streams.py   another; ids.py is part of it

A family is added so:

1. A module here. Its records have tags of its own ten (`families.py` says which), name a key by
   ``number`` first, and are absolute; together they are a union, ``ListRecord``.
2. Its value is a `Value`: a code and a name, ``applies`` with a function for each record,
   ``encoding``, ``is_empty``, ``pieces`` of a copy and ``add_piece``, ``full_bytes``, ``plain``.
3. Its operations are functions of the engine: look up by ``engine.key_of(now_ms, db, name,
   List)``, which raises WRONGTYPE; check everything; then ``engine.key_or_new`` and
   ``engine.emit``. A value that a record empties takes its key with it: nothing is emitted.
4. A line in `FAMILIES` and in `KeyRecord`. Nothing in state.py, records.py or relocate.py.
5. What may wait returns ``Wait(names, …)``: each change of a key is news to those who wait for
   its name, and ``Value.deliverable`` says whether one of them is to be tried. What is taken out
   for a client goes into ``session.pops`` as a `Taken`, which puts it back if that is gone.
6. A module of handlers with its group in `tests/pages.py` and ``broker/facts.py``, pages.
7. Histories (tests/engine/test_state.py), golden bytes, and a list of command strategies as
   tests/compat/families/strings.py has it.
"""

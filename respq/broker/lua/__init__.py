"""What runs inside Lua: the environment of scripts and the libraries that Redis gives them.

Each module holds one piece of Lua 5.1 source; interpreter.py puts them together. They are
loaded as functions that get ``host`` (what Python lends them) and ``tools`` (what
`sandbox` lends the others) and return a table of functions.
"""

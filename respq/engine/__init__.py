"""The state of all queues, the records that change it, and the rules that emit them. Pure."""

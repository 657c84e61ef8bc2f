"""One module per server: how it is started in each durability mode, and its workloads."""

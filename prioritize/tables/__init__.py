"""What a plan means, in tables: each module holds one member, a function of a Judged plan to a list of Tables."""

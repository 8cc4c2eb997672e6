"""Business rules: the merchandiser's file, what it means tonight, and what it did. docs/rules.md is its manual.

`file` reads and checks it, `conflicts` finds rules that contradict each other, `facts` knows the catalogue, `purchases`
who bought what when, `tonight` turns rules into what `models.recommender.rules` works with, `kept` decides which file
a night goes by, `words` says what a rule does, `effects` what it did; `check` and `trial` are the command.
"""

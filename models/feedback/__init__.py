"""What came back from what was shown: off-policy estimates, read-outs of experiments, exploration with a propensity."""

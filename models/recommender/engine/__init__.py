"""Exact top-k of users against items given as vectors: `engine.Engine` over arrays, `tables.TableEngine` over Arrow."""

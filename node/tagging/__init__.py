"""From indicator to tag: the member's cache and the round with the evaluators."""

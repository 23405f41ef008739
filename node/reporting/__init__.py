"""From a reported row to an anchored record: outbox, gathering, signing, and how far it got."""

"""What platforms beyond this machine share: evidence in bounds, documents beside the journal."""

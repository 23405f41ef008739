"""What an audit is made of: report tables, samples, completeness checks and the evidence pack."""

"""Files of rows that an interrupted command continues."""

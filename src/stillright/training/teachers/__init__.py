"""What the two teachers say of training texts: kept on disk in one of several forms, or asked in every step."""

"""What the tests of more than one machine share."""

"""Applications that the black-box tests serve: apps.replies, apps.faults and so on, one noun each."""

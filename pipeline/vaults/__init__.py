"""Secret references: where provider keys live, and how they are read without ever being kept in our configuration."""

"""Operations: what the people who run a site look at, in words, numbers and over HTTP."""

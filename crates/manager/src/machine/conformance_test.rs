//! Every row of the table has cases by name: its success, its repeat, each of its refusals and each of its guards. The
//! test reads the table, so a row or a guard without a case fails.

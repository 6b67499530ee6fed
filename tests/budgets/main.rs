//! Budgets of retries. A scrape by a test whose clock is ahead would have the budgets of all others forget, so these tests are a
//! program of their own, and run one after the other.

mod budgets;

//! How deep the stack went, as the instrumentation notes it: must be compiled apart from what is instrumented.

export threadlocal var __sancov_lowest_stack: usize = ~@as(usize, 0);

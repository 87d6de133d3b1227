//! How a callback method is called: argv, environment, timeout, kill, log; hatimerun and halockrun.

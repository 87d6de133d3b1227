//! Resource type registration files: grammar, diagnostics, canonical form.
